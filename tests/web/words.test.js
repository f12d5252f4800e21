import assert from "node:assert/strict";
import { test } from "node:test";
import { REASONS, STATES } from "../../web/protocol.js";
import {
  explainEnd,
  explainMicrophone,
  farEnd,
  hearingNote,
  remark,
  STATE_WORDS,
} from "../../web/words.js";

const SITUATION = {
  isSecure: true,
  isFramed: false,
  permission: "denied",
  userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36",
  host: "gate.test",
};
const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1";
const MAC_CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/156.0.0.0 Safari/537.36";
const ANDROID = "Mozilla/5.0 (Linux; Android 16) Chrome/156.0.0.0 Mobile Safari/537.36";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
const SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.0 Safari/605.1.15";

function refused(situation = {}, message = "Permission denied") {
  const error = new DOMException(message, "NotAllowedError");
  return explainMicrophone(error, { ...SITUATION, ...situation });
}

function ended(reason, { message = "", problem = null } = {}) {
  return { reason, message, problem };
}

test("each state of the protocol has words", () => {
  for (const state of STATES) assert.ok(STATE_WORDS[state].label && STATE_WORDS[state].hint);
});

test("each reason of the protocol, and each of our own, has a title", () => {
  for (const reason of [...REASONS, "unreachable", "bad_answer", "no_webrtc"]) {
    const { title, text } = explainEnd(ended(reason));
    assert.ok(title, reason);
    assert.ok(text || reason === "hangup", reason);
  }
});

test("a reason from a newer gateway is named", () => {
  assert.match(explainEnd(ended("parked_too_long")).text, /parked_too_long/);
});

test("the error before the end says why, better than the end itself", () => {
  const end = ended("live_refused", { message: "The live session was refused." });
  assert.equal(explainEnd(end, "API key not valid.").text, "API key not valid.");
  assert.equal(explainEnd(end).text, "The live session was refused.");
});

test("a session that was refused has a title for why", () => {
  const refused = ended("live_refused", { message: "The live session could not be opened." });
  const quota = "The quota for the Live API is used up, or billing is off. (1011: You exceeded …)";
  const titles = [
    ["live_unauthorized", "The service does not accept the API key."],
    ["live_refused", "The service has no such model for live sessions."],
    ["live_refused", quota],
    ["live_unreachable", "Nothing listens at api.test."],
    ["live_something_new", "It did not work."],
  ].map(([code, message]) => {
    const advice = explainEnd(refused, message, code);
    assert.equal(advice.text, message);
    assert.ok(advice.steps.length > 0 || code === "live_something_new");
    return advice.title;
  });
  assert.deepEqual(titles, [
    "The service refused the key",
    "The service refused the model",
    "The quota is used up",
    "The service cannot be reached",
    "The model could not be reached",
  ]);
});

test("a session that was open is lost, not refused, but a quota is a quota", () => {
  const lost = ended("live_lost", { message: "The live session was closed by the service." });
  assert.equal(explainEnd(lost, "Closed. (1008: no)", "live_closed").title, "The model hung up");
  assert.equal(
    explainEnd(lost, "The quota for the Live API is used up. (1011)", "live_closed").title,
    "The quota is used up",
  );
});

test("a reason that filled the close is shown as cut", () => {
  const show = (reason) => explainEnd(ended("live_lost"), `Closed. (1008: ${reason})`).text;
  assert.equal(show("x".repeat(123)), `Closed. (1008: ${"x".repeat(123)}…)`);
  assert.equal(show("é".repeat(61)), `Closed. (1008: ${"é".repeat(61)}…)`);
  for (const whole of ["x".repeat(80), `${"x".repeat(122)}.`, `${"x".repeat(120)}…`]) {
    assert.equal(show(whole), `Closed. (1008: ${whole})`);
  }
});

test("the browser's own texts are not shown", () => {
  const { text } = explainEnd(ended("unreachable", { message: "Failed to fetch" }));
  assert.doesNotMatch(text, /fetch/);
});

test("a problem document gives its detail, and a known code what to do", () => {
  const problem = { status: 503, code: "too_many_calls", detail: "50 calls are open." };
  const advice = explainEnd(ended("refused", { problem }));
  assert.equal(advice.title, "All lines are busy");
  assert.equal(advice.text, "50 calls are open.");
  assert.match(advice.steps[0], /try again/);
  const other = explainEnd(ended("refused", { problem: { ...problem, code: "http_502" } }));
  assert.equal(other.title, "The gateway refused the call");
});

test("a page without https says so, and that typing works", () => {
  const insecure = { ...SITUATION, isSecure: false, host: "192.168.1.20:8080" };
  const advice = explainMicrophone(new TypeError("no devices"), insecure);
  assert.match(advice.title, /https/);
  assert.match(advice.text, /192\.168\.1\.20:8080/);
  assert.match(advice.text, /phone/);
  assert.deepEqual(advice.actions, ["type"]);
});

test("a microphone that is not there, or busy, is told apart from one refused", () => {
  const titles = ["NotFoundError", "NotReadableError", "NotAllowedError"].map(
    (name) => explainMicrophone(new DOMException("", name), SITUATION).title,
  );
  assert.deepEqual(titles, [
    "No microphone found",
    "The microphone does not start",
    "The microphone is blocked",
  ]);
});

test("how to allow the microphone depends on the browser", () => {
  const browsers = { IPHONE, MAC_CHROME, ANDROID, FIREFOX, SAFARI };
  const firstSteps = Object.values(browsers).map((userAgent) => refused({ userAgent }).steps[0]);
  assert.equal(new Set(firstSteps).size, firstSteps.length);
  assert.match(refused({ userAgent: IPHONE }).steps.join(" "), /Website Settings/);
});

test("a question left unanswered is not a block", () => {
  assert.match(refused({ permission: "prompt" }).title, /unanswered/);
});

test("a block by the system leads to the system's settings", () => {
  const system = "Permission denied by system";
  assert.match(refused({ userAgent: MAC_CHROME }, system).steps[0], /System Settings/);
  assert.match(refused({ userAgent: ANDROID }, system).steps[0], /Permissions/);
});

test("inside another page the advice is to leave it", () => {
  assert.match(refused({ isFramed: true }).steps[0], /tab of its own/);
});

test("every refusal offers to go on by typing", () => {
  for (const name of ["NotAllowedError", "NotFoundError", "NotReadableError", "OddError"]) {
    const { actions } = explainMicrophone(new DOMException("", name), SITUATION);
    assert.ok(actions.includes("type"), name);
  }
  assert.ok(explainMicrophone("no error at all", SITUATION).actions.includes("type"));
});

test("the far end is named, also one that is not known", () => {
  assert.equal(farEnd("local").label, "Local model");
  assert.equal(farEnd("something").label, "Live service");
});

test("times below an entry have one unit", () => {
  const entry = {
    who: "model",
    typed: false,
    interrupted: false,
    heard_ms: null,
    latency_ms: null,
  };
  assert.equal(remark({ ...entry, latency_ms: 320 }), "Answered in 0.3 s");
  assert.equal(remark({ ...entry, latency_ms: 1_240 }), "Answered in 1.2 s");
  assert.equal(remark({ ...entry, latency_ms: 0 }), "Answered in 0.1 s");
  assert.equal(remark({ ...entry, interrupted: true, heard_ms: 940 }), "Interrupted after 0.9 s");
  assert.equal(remark({ ...entry, interrupted: true, heard_ms: 20 }), "Interrupted");
  assert.equal(remark({ ...entry, who: "caller", typed: true }), "Typed");
});

test("the page says what the local model does not understand", () => {
  const languages = [{ code: "de-DE", name: "German (Germany)" }];
  const note = (live, code) => hearingNote({ live, languages }, code);
  assert.match(note("local", "de-DE"), /speaks German, but understands English only/);
  assert.match(note("local", "xx"), /speaks xx/);
  for (const code of ["en-US", "en-IN", "", null]) assert.equal(note("local", code), "");
  for (const live of ["dev", "vertex", "custom"]) assert.equal(note(live, "de-DE"), "");
});
