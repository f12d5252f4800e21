import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callsUrl,
  callUrl,
  encode,
  hangupUrl,
  hello,
  inputText,
  interrupt,
  MAX_TEXT_CHARS,
  modelsUrl,
  ProtocolError,
  REASONS,
  readCallReport,
  readCatalog,
  readEvent,
  readProblem,
  STATES,
} from "../../web/protocol.js";

const HEADER = { event_id: "evt_01", seq: 3, t_ms: 120 };

/** Each kind of event with every field, as docs/protocol.md has it. */
const EVENTS = [
  {
    type: "call.ready",
    protocol: 1,
    call_id: "call_1",
    model: "gemini-3.8-live",
    voice: "Puck",
    language: null,
    replayed: 2,
  },
  { type: "call.state", state: "thinking" },
  { type: "call.ended", reason: "idle", message: "Nobody spoke." },
  { type: "speech.started", turn: 1 },
  { type: "speech.stopped", turn: 1 },
  { type: "transcript.user", text: "Hi", final: false, interim: true, turn: 1 },
  { type: "transcript.model", text: " there", final: true, interim: false, turn: 1 },
  { type: "turn.started", turn: 1 },
  { type: "turn.interrupted", turn: 1, heard_ms: 840 },
  {
    type: "turn.completed",
    turn: 1,
    latency_ms: 410,
    usage: { prompt_tokens: 5, output_tokens: 6, total_tokens: 11 },
  },
  { type: "turn.completed", turn: 2, latency_ms: null, usage: null },
  { type: "warning", code: "uplink_overrun", message: "Slow." },
  { type: "error", code: "bad_message", message: "No type.", fatal: false },
].map((event) => ({ ...event, ...HEADER }));

test("each event of the protocol is read as it is", () => {
  for (const event of EVENTS) assert.deepEqual(readEvent(JSON.stringify(event)), event);
});

test("fields that a newer gateway adds are left out", () => {
  const text = JSON.stringify({ ...EVENTS[1], colour: "green" });
  assert.deepEqual(readEvent(text), EVENTS[1]);
});

test("an event of another kind is null, and no name of Object counts as a kind", () => {
  for (const type of ["thought", "", "constructor", "__proto__", "toString"]) {
    assert.equal(readEvent(JSON.stringify({ ...HEADER, type })), null);
  }
});

test("what is no event says what is wrong with it", () => {
  const cases = [
    [undefined, /text message/],
    [new ArrayBuffer(4), /text message/],
    ["", /JSON/],
    ["{", /JSON/],
    ["null", /not an object/],
    ["[]", /not an object/],
    ["{}", /event\.type is not a text/],
    ['{"type": 3}', /event\.type is not a text/],
    ['{"type": "call.state", "seq": 1.5, "state": "x"}', /call\.state\.seq is not an integer/],
    ['{"type": "call.state", "seq": 1}', /call\.state\.state is not a text/],
    ['{"type": "turn.started", "seq": 1, "turn": "1"}', /turn\.started\.turn is not an integer/],
    ['{"type": "error", "seq": 1, "code": "x", "fatal": "yes"}', /error\.fatal is not true/],
    [
      '{"type": "turn.interrupted", "seq": 1, "turn": 1, "heard_ms": "1"}',
      /heard_ms is not a number/,
    ],
  ];
  for (const [data, message] of cases) {
    assert.throws(() => readEvent(data), { name: "ProtocolError", message });
  }
});

test("an error says where, and never what was said", () => {
  const event = { ...HEADER, type: "transcript.user", text: "my secret", turn: "my secret" };
  assert.throws(
    () => readEvent(JSON.stringify(event)),
    (error) => !error.message.includes("secret"),
  );
});

test("whatever comes is an event, nothing, or a protocol error", () => {
  const values = [null, true, -1, 1e300, "", "x", [], {}, [1], { type: "x" }];
  const random = seeded(7);
  const pick = (list) => list[Math.floor(random() * list.length)];
  let bad = 0;
  for (let round = 0; round < 5000; round++) {
    const event = { ...pick(EVENTS) };
    for (let hit = 0; hit < 2; hit++) event[pick(Object.keys(event))] = pick(values);
    let text = JSON.stringify(event);
    if (random() < 0.3) text = text.slice(0, Math.floor(random() * text.length));
    try {
      readEvent(text);
    } catch (error) {
      bad++;
      assert.ok(error instanceof ProtocolError, `${error} for ${text}`);
    }
  }
  assert.ok(bad > 1000 && bad < 5000, `${bad} of 5000 were refused`);
});

test("messages of the client have the form the gateway takes", () => {
  assert.deepEqual(hello(), { type: "hello", protocol: 1, after_seq: 0 });
  assert.deepEqual(hello(17), { type: "hello", protocol: 1, after_seq: 17 });
  assert.deepEqual(inputText(" hello\n"), { type: "input.text", text: "hello" });
  assert.deepEqual(interrupt(), { type: "interrupt" });
});

test("a text has 1 to 32,000 characters, counted as characters", () => {
  assert.equal(inputText("🙂".repeat(MAX_TEXT_CHARS)).text.length, 2 * MAX_TEXT_CHARS);
  for (const text of ["", " \n\t", "x".repeat(MAX_TEXT_CHARS + 1)]) {
    assert.throws(() => inputText(text), RangeError);
  }
});

test("a message of more than 64 KiB is not sent", () => {
  assert.equal(encode(interrupt()), '{"type":"interrupt"}');
  assert.doesNotThrow(() => encode(inputText("x".repeat(MAX_TEXT_CHARS))));
  assert.throws(() => encode(inputText("語".repeat(MAX_TEXT_CHARS))), RangeError);
});

test("an offer goes to v1/calls below the gateway's address, with what was chosen", () => {
  assert.equal(callsUrl("http://a:8080"), "http://a:8080/v1/calls");
  assert.equal(callsUrl("http://a/voice/index.html?x=1#y"), "http://a/voice/v1/calls");
  assert.equal(
    callsUrl("http://a/", { model: "m/1", voice: "", language: "de-DE" }),
    "http://a/v1/calls?model=m%2F1&language=de-DE",
  );
  assert.equal(modelsUrl("http://a/voice/"), "http://a/voice/v1/models");
});

test("a call's address comes from the Location, absolute or not", () => {
  const base = "https://gate.test/";
  assert.equal(callUrl("/v1/calls/c", base), "https://gate.test/v1/calls/c");
  assert.equal(callUrl("https://w2.test/v1/calls/c", base), "https://w2.test/v1/calls/c");
  assert.equal(hangupUrl("https://gate.test/v1/calls/c"), "https://gate.test/v1/calls/c/hangup");
  for (const location of [null, "", "http://[bad"]) {
    assert.throws(() => callUrl(location, base), ProtocolError);
  }
});

test("behind a proxy that ends TLS the call is reached as the page was", () => {
  assert.equal(
    callUrl("http://gate.test:8080/v1/calls/c", "https://gate.test/"),
    "https://gate.test/v1/calls/c",
  );
});

test("a problem document gives status, code and detail", () => {
  const body = { type: "about:blank", status: 503, code: "draining", detail: "Stopping." };
  assert.deepEqual(readProblem(503, JSON.stringify({ ...body, request_id: "r1" })), {
    status: 503,
    code: "draining",
    detail: "Stopping.",
    request_id: "r1",
  });
});

test("an error page of something else is still a problem", () => {
  for (const body of ["", "<html>Bad gateway</html>", "[]", "null", '"x"', '{"code": 1}']) {
    const problem = readProblem(502, body);
    assert.equal(problem.code, "http_502");
    assert.match(problem.detail, /502/);
  }
});

test("the catalogue is read, and what may be missing is empty", () => {
  const catalog = readCatalog({
    live: "local",
    default: { model: "m", voice: null },
    models: [{ id: "m", status: "ga", capabilities: ["audio_out"], context_tokens: 5 }],
    voices: [{ name: "Puck", style: "Upbeat" }, { name: "Kore" }],
    languages: [{ code: "de-DE", name: "German" }, { code: "xx" }],
  });
  assert.deepEqual(catalog, {
    live: "local",
    default: { model: "m", voice: "", language: "" },
    models: [{ id: "m", status: "ga", capabilities: ["audio_out"] }],
    voices: [
      { name: "Puck", style: "Upbeat" },
      { name: "Kore", style: "" },
    ],
    languages: [
      { code: "de-DE", name: "German" },
      { code: "xx", name: "xx" },
    ],
    phrases: [],
  });
  assert.deepEqual(readCatalog({ phrases: ["Hi"] }).phrases, ["Hi"]);
});

test("a catalogue of another form is a protocol error", () => {
  for (const value of [
    null,
    [],
    { models: {} },
    { models: [{}] },
    { models: ["m"] },
    { phrases: [1] },
    { default: [] },
  ]) {
    assert.throws(() => readCatalog(value), ProtocolError);
  }
});

test("a call's report says how it ended, or that it did not", () => {
  const ended = { reason: "hangup", message: "" };
  assert.deepEqual(readCallReport({ id: "c", state: "speaking", ended: null }).ended, null);
  assert.deepEqual(readCallReport({ id: "c", state: "ended", ended }).ended, ended);
  assert.throws(() => readCallReport({ id: "c", state: "ended", ended: "yes" }), ProtocolError);
});

test("states and reasons are those of docs/protocol.md", async () => {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const names = (heading) => {
    const section = text.split(`### ${heading}\n`)[1].split("\n##")[0];
    return [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name);
  };
  assert.deepEqual(
    [...STATES],
    names("States").filter((name) => name !== "state"),
  );
  assert.deepEqual(
    [...REASONS],
    names("Reasons").filter((name) => name !== "reason"),
  );
});

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
