import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation, SPEECH_MS } from "../../web/conversation.js";

/** A conversation that was told all this. */
function told(...events) {
  const conversation = new Conversation();
  for (const event of events) conversation.receive(event);
  return conversation;
}

function said(who, turn, text, { final = false, interim = false } = {}) {
  return { type: `transcript.${who}`, turn, text, final, interim };
}

/** Who said what, in the order of the page. */
function lines(conversation) {
  return conversation.entries.map(({ who, text, guess }) => `${who}: ${text}${guess}`);
}

test("fragments of a turn become one entry", () => {
  const conversation = told(
    said("user", 1, "What"),
    said("user", 1, " time"),
    said("user", 1, " is it?", { final: true }),
    said("model", 1, "Noon", { final: false }),
    said("model", 1, ".", { final: true }),
  );
  assert.deepEqual(lines(conversation), ["caller: What time is it?", "model: Noon."]);
  assert.deepEqual(
    conversation.entries.map(({ open }) => open),
    [false, false],
  );
});

test("an interim guess is replaced by the next message", () => {
  const conversation = told(said("user", 1, "I"), said("user", 1, " sing", { interim: true }));
  assert.deepEqual(lines(conversation), ["caller: I sing"]);
  conversation.receive(said("user", 1, " think", { interim: true }));
  assert.deepEqual(lines(conversation), ["caller: I think"]);
  conversation.receive(said("user", 1, " thank you", { final: true }));
  assert.deepEqual(lines(conversation), ["caller: I thank you"]);
});

test("the caller's words stand before the reply, even if they come after it began", () => {
  const conversation = told(
    said("model", 1, "Hello."),
    said("model", 2, "It is"),
    said("user", 2, "What time is it?"),
    said("model", 2, " noon."),
    said("user", 3, "Thanks."),
  );
  assert.deepEqual(lines(conversation), [
    "model: Hello.",
    "caller: What time is it?",
    "model: It is noon.",
    "caller: Thanks.",
  ]);
});

test("a turn whose words are late finds its place", () => {
  const conversation = told(said("user", 3, "three"), said("user", 2, "two"));
  assert.deepEqual(lines(conversation), ["caller: two", "caller: three"]);
});

test("an entry keeps its identity while it grows", () => {
  const conversation = told(said("model", 1, "a"));
  const [{ id }] = conversation.entries;
  const changed = conversation.receive(said("model", 1, "b"));
  assert.equal(changed.id, id);
  assert.equal(changed, conversation.entries[0]);
});

test("an empty fragment makes no entry, but closes one", () => {
  const conversation = told(said("user", 1, "", { final: true }), said("model", 1, "Yes"));
  conversation.receive(said("model", 1, "", { final: true }));
  assert.deepEqual(lines(conversation), ["model: Yes"]);
  assert.equal(conversation.entries[0].open, false);
});

test("an interrupted reply is marked with what was heard of it", () => {
  const conversation = told(
    said("model", 1, "Once upon"),
    { type: "turn.interrupted", turn: 1, heard_ms: 900 },
    said("model", 1, " a time"),
  );
  const [entry] = conversation.entries;
  assert.deepEqual([entry.interrupted, entry.heard_ms, entry.open], [true, 900, false]);
  assert.equal(entry.text, "Once upon a time");
});

test("an interruption that comes before the first word is not forgotten", () => {
  const conversation = told(
    { type: "turn.interrupted", turn: 1, heard_ms: 40 },
    said("model", 1, "Once", { final: true }),
  );
  assert.equal(conversation.entries[0].interrupted, true);
});

test("a completed reply has its latency", () => {
  const conversation = told(said("model", 1, "Yes."), {
    type: "turn.completed",
    turn: 1,
    latency_ms: 320,
    usage: null,
  });
  assert.equal(conversation.entries[0].latency_ms, 320);
  assert.equal(conversation.entries[0].open, false);
});

test("typed words are there at once, and stay one entry when the gateway says them back", () => {
  const conversation = told(said("model", 1, "Hello."));
  const entry = conversation.type("Tell me a story");
  assert.equal(conversation.receive(said("user", 2, "Tell me a story", { final: true })), null);
  conversation.receive({ type: "turn.started", turn: 2 });
  conversation.receive(said("model", 2, "Once."));
  assert.deepEqual(lines(conversation), [
    "model: Hello.",
    "caller: Tell me a story",
    "model: Once.",
  ]);
  assert.deepEqual([entry.typed, entry.turn], [true, 2]);
});

test("the same words typed twice are two entries, each said back once", () => {
  const conversation = new Conversation();
  conversation.type("Again");
  conversation.type("Again");
  conversation.receive(said("user", 1, "Again", { final: true }));
  conversation.receive(said("user", 2, "Again", { final: true }));
  conversation.receive(said("user", 3, "Again", { final: true }));
  assert.deepEqual(
    conversation.entries.map(({ typed, turn }) => [typed, turn]),
    [
      [true, 1],
      [true, 2],
      [false, 3],
    ],
  );
});

test("typed words that are not said back belong to the turn that begins after them", () => {
  const conversation = told(said("user", 1, "Hi"), said("model", 1, "Hello"));
  const entry = conversation.type("And you?");
  conversation.receive(said("model", 1, "!")); // still the reply before
  assert.equal(entry.turn, null);
  conversation.receive(said("model", 2, "Fine."));
  assert.equal(entry.turn, 2);
  assert.deepEqual(lines(conversation).slice(2), ["caller: And you?", "model: Fine."]);
});

test("at the end of the call a guess is what was said", () => {
  const conversation = told(said("user", 1, "Good"), said("user", 1, "bye", { interim: true }));
  conversation.close();
  assert.deepEqual(lines(conversation), ["caller: Goodbye"]);
  assert.deepEqual([conversation.entries[0].guess, conversation.entries[0].open], ["", false]);
});

/** The caller makes a sound, as long as the gateway says. */
function spoke(turn, ms, from = 1_000) {
  return [
    { type: "speech.started", turn, t_ms: from },
    { type: "speech.stopped", turn, t_ms: from + ms },
  ];
}

test("speech of which no words come is an entry, before the reply to it", () => {
  const conversation = told(...spoke(2, 1_500), said("model", 2, "Pardon?"));
  assert.deepEqual(lines(conversation), ["model: Pardon?"]);
  const entry = conversation.giveUp(2);
  assert.deepEqual(conversation.entries, [entry, conversation.entries[1]]);
  assert.deepEqual([entry.who, entry.turn, entry.unheard, entry.text], ["caller", 2, true, ""]);
  assert.equal(conversation.giveUp(2), null);
  assert.equal(conversation.entries.length, 2);
});

test("words that are late take the place of the entry without words", () => {
  const conversation = told(...spoke(1, 1_500));
  const { id } = conversation.giveUp(1);
  conversation.receive(said("user", 1, "", { final: false }));
  assert.equal(conversation.entries[0].unheard, true);
  conversation.receive(said("user", 1, "What time", { interim: true }));
  conversation.receive(said("user", 1, "What time is it?", { final: true }));
  assert.deepEqual(lines(conversation), ["caller: What time is it?"]);
  assert.deepEqual([conversation.entries[0].id, conversation.entries[0].unheard], [id, false]);
});

test("a noise is not shown as speech", () => {
  // 100 ms of sound, of which 60 begin it, and the half second of silence that ends it.
  const conversation = told(...spoke(1, 540), ...spoke(1, SPEECH_MS - 1, 5_000));
  assert.equal(conversation.giveUp(1), null);
  assert.deepEqual(conversation.entries, []);
});

test("speech with words, typed words, or more to come is not given up", () => {
  const heard = told(...spoke(1, 1_500), said("user", 1, "Hi", { interim: true }));
  assert.equal(heard.giveUp(1), null);

  const typed = told(...spoke(1, 1_500));
  typed.type("Hi");
  typed.receive({ type: "turn.started", turn: 1 });
  assert.equal(typed.giveUp(1), null);

  const going = told(...spoke(1, 1_500), { type: "speech.started", turn: 1, t_ms: 3_000 });
  assert.equal(going.giveUp(1), null);
  going.receive({ type: "speech.stopped", turn: 1, t_ms: 3_600 });
  assert.equal(going.giveUp(1)?.unheard, true);
  assert.equal(going.giveUp(7), null);
});

test("events that are no words change nothing", () => {
  const conversation = told(
    { type: "call.state", state: "thinking" },
    { type: "speech.started", turn: 1 },
    { type: "warning", code: "x", message: "y" },
  );
  assert.deepEqual(conversation.entries, []);
});
