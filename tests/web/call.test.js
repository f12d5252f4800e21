import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import {
  AGAIN_MS,
  ANSWER_MS,
  Call,
  CONNECT_MS,
  GATHER_MS,
  HUSH_MS,
  QUALITY_MS,
  REPORT_MS,
  RESTART_MS,
  RETURN_MS,
} from "../../web/call.js";
import { FakeWorld, fakeStream, problem, reply, settled } from "./fakes.js";

const CALL = "http://gateway.test/v1/calls/call_1";

/** A call with everything that it emits written down. */
function newCall(world, options) {
  const call = new Call(world, options);
  const seen = { states: [], events: [], ends: [], unreadable: [], qualities: [], streams: [] };
  call.on("state", ({ state }) => seen.states.push(state));
  call.on("event", (event) => seen.events.push(event));
  call.on("ended", (end) => seen.ends.push(end));
  call.on("unreadable", (error) => seen.unreadable.push(error));
  call.on("quality", (quality) => seen.qualities.push(quality));
  call.on("stream", (stream) => seen.streams.push(stream));
  return { call, seen };
}

/** A call as far as `call.ready` and listening. */
async function openCall(world = new FakeWorld(), start = { microphone: fakeStream() }) {
  const { call, seen } = newCall(world);
  await call.start(start);
  connect(world.peer);
  return { world, call, seen, peer: world.peer };
}

function connect(peer) {
  peer.become("connected");
  peer.channel.open();
  peer.say("call.ready", { protocol: 1, call_id: "call_1", model: "m", replayed: 0 });
  peer.say("call.state", { state: "listening" });
}

test("a call goes from offer to listening, and says hello first", async () => {
  const { call, seen, peer, world } = await openCall();
  assert.deepEqual(seen.states, ["connecting", "listening"]);
  assert.deepEqual(world.requests, [["POST", "http://gateway.test/v1/calls", "v=0 offer"]]);
  assert.deepEqual(peer.remoteDescription, { type: "answer", sdp: "v=0 answer" });
  assert.deepEqual(peer.channel.sent, [{ type: "hello", protocol: 1, after_seq: 0 }]);
  assert.equal(call.url, CALL);
  assert.equal(call.id, "call_1");
});

test("the data channel is there before the offer, so that the offer has it", async () => {
  const { peer } = await openCall();
  assert.deepEqual(peer.calls, ["createDataChannel", "addTransceiver", "createOffer"]);
  assert.equal(peer.channel.label, "events");
});

test("the microphone is sent and the model received", async () => {
  const microphone = fakeStream();
  const { peer } = await openCall(new FakeWorld(), { microphone });
  const [{ kind, direction, streams }] = peer.transceivers;
  assert.equal(kind, microphone.getAudioTracks()[0]);
  assert.equal(direction, "sendrecv");
  assert.deepEqual(streams, [microphone]);
});

test("without a microphone the call only receives", async () => {
  const { peer } = await openCall(new FakeWorld(), {});
  assert.deepEqual(
    peer.transceivers.map(({ kind, direction }) => [kind, direction]),
    [["audio", "recvonly"]],
  );
});

test("no ICE server is asked unless one is given", async () => {
  const world = new FakeWorld();
  await newCall(world).call.start();
  const iceServers = [{ urls: "turn:turn.test" }];
  await newCall(world, { iceServers }).call.start();
  assert.deepEqual(
    world.peers.map(({ configuration }) => configuration),
    [{ iceServers: [] }, { iceServers }],
  );
});

test("only what was chosen is in the query", async () => {
  const world = new FakeWorld();
  await newCall(world).call.start({ choice: { model: "", voice: "Puck", language: "de-DE" } });
  assert.equal(world.requests[0][1], "http://gateway.test/v1/calls?voice=Puck&language=de-DE");
});

test("the offer waits for candidates, but not long", async () => {
  const world = new FakeWorld();
  world.iceStateAtStart = "gathering";
  const { call } = newCall(world);
  const started = call.start();
  await world.clock.advance(GATHER_MS - 1);
  assert.equal(world.requests.length, 0);
  await world.clock.advance(1);
  assert.equal(world.requests.length, 1);
  await started;
});

test("the offer goes as soon as all candidates are there", async () => {
  const world = new FakeWorld();
  world.iceStateAtStart = "gathering";
  const started = newCall(world).call.start();
  await settled();
  world.peer.gathered();
  await started;
  assert.equal(world.requests.length, 1);
  assert.equal(world.clock.now, 0);
});

test("a call starts once", async () => {
  const { call } = await openCall();
  await assert.rejects(call.start(), /once/);
});

test("the states are the gateway's", async () => {
  const { seen, peer } = await openCall();
  peer.say("call.state", { state: "thinking" });
  peer.say("call.state", { state: "speaking" });
  peer.say("call.state", { state: "speaking" });
  peer.say("call.state", { state: "listening" });
  assert.deepEqual(seen.states.slice(2), ["thinking", "speaking", "listening"]);
});

test("a state this version does not know changes nothing", async () => {
  const { call, peer } = await openCall();
  peer.say("call.state", { state: "parked" });
  assert.equal(call.state, "listening");
});

test("an event that comes twice is told once", async () => {
  const { seen, peer } = await openCall();
  const before = seen.events.length;
  const event = { type: "turn.started", event_id: "evt", seq: 9, t_ms: 0, turn: 1 };
  peer.channel.deliver(JSON.stringify(event));
  peer.channel.deliver(JSON.stringify(event));
  peer.channel.deliver(JSON.stringify({ ...event, seq: 8 }));
  assert.equal(seen.events.length, before + 1);
});

test("an unreadable message is reported and skipped", async () => {
  const { call, seen, peer } = await openCall();
  for (const bad of [
    "{",
    "[]",
    '{"type":"turn.started","seq":7,"turn":"one"}',
    new ArrayBuffer(2),
  ]) {
    peer.channel.deliver(bad);
  }
  assert.equal(seen.unreadable.length, 4);
  assert.ok(seen.unreadable.every(({ name }) => name === "ProtocolError"));
  assert.equal(call.state, "listening");
});

test("an event of a kind this version does not know is no error", async () => {
  const { seen, peer } = await openCall();
  peer.say("thought", { text: "…" });
  assert.equal(seen.unreadable.length, 0);
});

test("what the model says is a stream of its track", async () => {
  const { call, seen, peer } = await openCall();
  const track = { kind: "audio" };
  peer.addTrack(track);
  assert.deepEqual(seen.streams, [{ tracks: [track] }]);
  assert.equal(call.remoteStream, seen.streams[0]);
});

test("a cut reply is silenced for as long as some of it waits to be played", async () => {
  const { peer, world } = await openCall();
  const track = { kind: "audio", enabled: true };
  peer.addTrack(track);
  peer.say("turn.interrupted", { turn: 1, heard_ms: 500 });
  assert.equal(track.enabled, false);
  await world.clock.advance(HUSH_MS);
  assert.equal(track.enabled, true);
});

test("text and interrupt go over the channel while it is open", async () => {
  const { call, peer } = await openCall();
  assert.equal(call.sendText("  hello "), true);
  assert.equal(call.interrupt(), true);
  assert.deepEqual(peer.channel.sent.slice(1), [
    { type: "input.text", text: "hello" },
    { type: "interrupt" },
  ]);
  assert.throws(() => call.sendText("   "), RangeError);
  call.close();
  assert.equal(call.sendText("late"), false);
  assert.equal(call.interrupt(), false);
});

test("another microphone takes the place of the first", async () => {
  const { call, peer } = await openCall();
  const track = fakeStream().getAudioTracks()[0];
  await call.replaceTrack(track);
  assert.equal(peer.transceivers[0].sender.track, track);
});

test("hanging up deletes the call, closes the peer and leaves no timer", async () => {
  const { call, seen, peer, world } = await openCall();
  call.close();
  await settled();
  assert.deepEqual(world.requestsAfterOffer, [`DELETE ${CALL}`]);
  assert.equal(peer.connectionState, "closed");
  assert.equal(peer.channel.readyState, "closed");
  assert.deepEqual(seen.ends, [{ reason: "hangup", message: "", problem: null }]);
  assert.deepEqual(getEventListeners(world.page, "pagehide"), []);
  assert.equal(seen.states.at(-1), "ended");
  await world.clock.advance(0);
  assert.equal(world.clock.pending, 1, "only the gathering limit, which does nothing any more");
  await world.clock.advance(GATHER_MS);
  assert.equal(world.clock.pending, 0);
});

test("a second hang-up does nothing", async () => {
  const { call, seen, world } = await openCall();
  call.close();
  call.close();
  await settled();
  call.close();
  assert.equal(seen.ends.length, 1);
  assert.equal(world.requestsAfterOffer.length, 1);
});

test("leaving the page hangs up by beacon", async () => {
  const { seen, world } = await openCall();
  world.page.dispatchEvent(new Event("pagehide"));
  await settled();
  assert.deepEqual(world.requestsAfterOffer, [`BEACON ${CALL}/hangup`]);
  assert.equal(seen.ends[0].reason, "hangup");
  world.page.dispatchEvent(new Event("pagehide"));
  assert.equal(world.requestsAfterOffer.length, 1, "an ended call has nothing to say");
});

test("hanging up before the answer deletes the call when its address is known", async () => {
  const world = new FakeWorld();
  let answer;
  world.answer = () => new Promise((resolve) => (answer = resolve));
  const { call, seen } = newCall(world);
  const started = call.start();
  await settled();
  call.close();
  assert.equal(seen.ends.length, 1);
  assert.deepEqual(world.requestsAfterOffer, []);
  answer(reply(201, "v=0 answer", { Location: CALL }));
  await started;
  assert.deepEqual(world.requestsAfterOffer, [`DELETE ${CALL}`]);
  assert.equal(world.peer.remoteDescription, null);
});

test("hanging up while candidates are gathered sends no offer", async () => {
  const world = new FakeWorld();
  world.iceStateAtStart = "gathering";
  const { call } = newCall(world);
  const started = call.start();
  await settled();
  call.close();
  await world.clock.advance(GATHER_MS);
  await started;
  assert.deepEqual(world.requests, []);
});

test("a problem document ends the call with what it says", async () => {
  const world = new FakeWorld();
  world.answer = () => problem(503, "too_many_calls", "50 calls are open.");
  const { call, seen } = newCall(world);
  await call.start();
  const [{ reason, problem: said }] = seen.ends;
  assert.equal(reason, "refused");
  assert.deepEqual(said, { status: 503, code: "too_many_calls", detail: "50 calls are open." });
  assert.deepEqual(seen.states, ["connecting", "ended"]);
});

test("a gateway that is not there ends the call as unreachable", async () => {
  const world = new FakeWorld();
  world.answer = () => Promise.reject(new TypeError("Failed to fetch"));
  const { call, seen } = newCall(world);
  await call.start();
  assert.equal(seen.ends[0].reason, "unreachable");
});

test("a gateway that does not answer in time ends the call as unreachable", async () => {
  const world = new FakeWorld();
  world.answer = () => new Promise(() => {});
  const { call, seen } = newCall(world);
  const started = call.start();
  await world.clock.advance(ANSWER_MS);
  await started;
  assert.equal(seen.ends[0].reason, "unreachable");
});

test("an answer that is none ends the call and says so to the gateway", async () => {
  const world = new FakeWorld();
  const { call, seen } = newCall(world);
  const createPeer = world.createPeer;
  world.createPeer = (configuration) =>
    Object.assign(createPeer(configuration), { refusesAnswer: true });
  await call.start();
  assert.equal(seen.ends[0].reason, "bad_answer");
  assert.deepEqual(world.requestsAfterOffer, [`DELETE ${CALL}`]);
});

test("an answer without an address ends the call", async () => {
  const world = new FakeWorld();
  world.answer = () => reply(201, "v=0 answer");
  const { call, seen } = newCall(world);
  await call.start();
  assert.equal(seen.ends[0].reason, "bad_answer");
});

test("a browser without WebRTC ends the call", async () => {
  const world = new FakeWorld();
  world.createPeerError = new ReferenceError("RTCPeerConnection is not defined");
  const { call, seen } = newCall(world);
  await call.start();
  assert.equal(seen.ends[0].reason, "no_webrtc");
  assert.deepEqual(world.requests, []);
});

test("no connection in time ends the call as not connected", async () => {
  const world = new FakeWorld();
  const { call, seen } = newCall(world);
  await call.start();
  await world.clock.advance(CONNECT_MS - 1);
  assert.equal(seen.ends.length, 0);
  await world.clock.advance(1);
  assert.equal(seen.ends[0].reason, "not_connected");
  assert.deepEqual(world.requestsAfterOffer, [`GET ${CALL}`, `DELETE ${CALL}`]);
});

test("a call that is ready outlives the limit for connecting", async () => {
  const { seen, world } = await openCall();
  await world.clock.advance(CONNECT_MS);
  assert.deepEqual(seen.ends, []);
});

test("a connection lost in two ways at once is asked about once", async () => {
  const { seen, peer, world } = await openCall();
  peer.become("failed");
  peer.channel.close();
  await settled();
  await settled();
  const asked = [`PATCH ${CALL}`, `GET ${CALL}`, `DELETE ${CALL}`];
  assert.deepEqual(world.requestsAfterOffer, asked);
  assert.equal(seen.ends.length, 1);
});

test("connected media without events is not a call", async () => {
  const world = new FakeWorld();
  const { call, seen } = newCall(world);
  await call.start();
  world.peer.become("connected");
  await world.clock.advance(CONNECT_MS);
  assert.equal(seen.ends[0].reason, "not_connected");
});

test("a failed connection that cannot be restarted ends the call at once", async () => {
  const { seen, peer } = await openCall();
  peer.become("failed");
  await settled();
  assert.equal(seen.ends[0].reason, "peer_lost");
});

/** A call whose gateway can restart ICE; the restarts' offers, in order. */
async function restartable(answer = (n) => reply(200, `v=0 answer ${n}`)) {
  const opened = await openCall();
  const { world } = opened;
  world.restart = () => answer(restarts().length);
  const restarts = () =>
    world.requests.filter(([method]) => method === "PATCH").map(([, , body]) => body);
  return { ...opened, restarts };
}

test("an interrupted connection is offered again with new credentials", async () => {
  const { seen, peer, world, restarts } = await restartable();
  peer.say("call.state", { state: "speaking" });
  peer.become("disconnected");
  await settled();
  assert.deepEqual(world.requests.slice(1), [["PATCH", CALL, "v=0 restart 1"]]);
  assert.deepEqual(peer.remoteDescription, { type: "answer", sdp: "v=0 answer 1" });
  peer.become("connected");
  await world.clock.advance(RETURN_MS * 2);
  assert.deepEqual(seen.states.slice(2), ["speaking", "reconnecting", "speaking"]);
  assert.deepEqual(seen.ends, []);
  assert.equal(restarts().length, 1, "once it is back nothing is tried any more");
});

test("a failed connection is restarted as well", async () => {
  const { seen, peer, world } = await restartable();
  peer.become("failed");
  await settled();
  peer.become("connecting");
  peer.become("connected");
  await world.clock.advance(RETURN_MS * 2);
  assert.deepEqual(seen.states.slice(2), ["reconnecting", "listening"]);
  assert.deepEqual(seen.ends, []);
});

test("restarts that nobody answers are repeated, ever more slowly, until the call is lost", async () => {
  const times = [];
  const { seen, peer, world, restarts } = await restartable(() => {
    times.push(world.clock.now);
    throw new TypeError("no network");
  });
  peer.become("disconnected");
  await world.clock.advance(RETURN_MS - 1);
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  assert.deepEqual(gaps, AGAIN_MS);
  assert.deepEqual(new Set(restarts()).size, times.length, "each with credentials of its own");
  assert.deepEqual(seen.ends, []);
  await world.clock.advance(1);
  assert.equal(seen.ends[0].reason, "peer_lost");
  assert.equal(times.length, 1 + AGAIN_MS.length);
});

test("a restart that was answered has time to connect before the next", async () => {
  const { peer, world, restarts } = await restartable();
  peer.become("disconnected");
  await world.clock.advance(RESTART_MS - 1);
  assert.equal(restarts().length, 1);
  await world.clock.advance(1);
  assert.equal(restarts().length, 2);
});

test("an answer that never comes is not waited for", async () => {
  const { peer, world, restarts } = await restartable(() => new Promise(() => {}));
  peer.become("disconnected");
  await world.clock.advance(RESTART_MS + AGAIN_MS[0]);
  assert.equal(restarts().length, 2);
});

test("disconnected and then failed is one interruption", async () => {
  const { seen, peer, world } = await restartable(() => reply(503, ""));
  peer.become("disconnected");
  await world.clock.advance(RETURN_MS - 1);
  peer.become("failed");
  await world.clock.advance(1);
  assert.equal(seen.ends[0].reason, "peer_lost");
});

test("an engine that cannot restart is asked once, and may still come back", async () => {
  const { world, seen, peer } = await openCall();
  for (let times = 0; times < 2; times++) {
    peer.become("disconnected");
    await world.clock.advance(RETURN_MS / 2);
    peer.become("connected");
  }
  assert.deepEqual(world.requestsAfterOffer, [`PATCH ${CALL}`]);
  assert.equal(peer.calls.at(-1), "rollback");
  await world.clock.advance(RETURN_MS);
  assert.deepEqual(seen.ends, []);
});

for (const status of [404, 409]) {
  test(`a call that is over (${status}) is not restarted`, async () => {
    const { seen, peer, world, restarts } = await restartable(() => reply(status, ""));
    const ended = { reason: "peer_lost", message: "The media connection failed." };
    world.report = () => reply(200, JSON.stringify({ id: "call_1", state: "ended", ended }));
    peer.become("disconnected");
    await world.clock.advance(100);
    assert.deepEqual(seen.ends, [{ ...ended, problem: null }]);
    assert.equal(restarts().length, 1);
  });
}

test("a network that is back restarts at once, without a word while the call goes on", async () => {
  const { seen, world, restarts, call } = await restartable();
  world.page.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(restarts().length, 1);
  await world.clock.advance(RETURN_MS * 2);
  assert.deepEqual(seen.states, ["connecting", "listening"]);
  assert.equal(restarts().length, 1);
  call.close();
  world.page.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(restarts().length, 1);
});

test("a network that is back does not wait for the next try", async () => {
  let isThere = false;
  const { peer, world, restarts } = await restartable(() => {
    if (!isThere) throw new TypeError("no network");
    return reply(200, "v=0 answer");
  });
  peer.become("disconnected");
  await world.clock.advance(AGAIN_MS[0] + AGAIN_MS[1] + 1);
  const before = restarts().length;
  isThere = true;
  world.page.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(restarts().length, before + 1);
  assert.deepEqual(peer.remoteDescription, { type: "answer", sdp: "v=0 answer" });
});

test("hanging up during a restart leaves no timer and sets no answer", async () => {
  let answer = () => {};
  const { call, peer, world } = await restartable(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  peer.become("disconnected");
  await settled();
  call.close();
  answer(reply(200, "v=0 late"));
  await settled();
  assert.deepEqual(peer.remoteDescription, { type: "answer", sdp: "v=0 answer" });
  await world.clock.advance(REPORT_MS);
  assert.equal(world.clock.pending, 0);
});

test("a connection that never came fails as not connected", async () => {
  const world = new FakeWorld();
  const { call, seen } = newCall(world);
  await call.start();
  world.peer.become("failed");
  await settled();
  assert.equal(seen.ends[0].reason, "not_connected");
});

test("a connection that comes back goes on where it was", async () => {
  const { seen, peer, world } = await openCall();
  peer.say("call.state", { state: "speaking" });
  peer.become("disconnected");
  await world.clock.advance(RETURN_MS - 1);
  peer.become("connected");
  await world.clock.advance(RETURN_MS);
  assert.deepEqual(seen.states.slice(2), ["speaking", "reconnecting", "speaking"]);
  assert.equal(seen.ends.length, 0);
});

test("a state said while the connection was away is kept for its return", async () => {
  const { call, peer } = await openCall();
  peer.become("disconnected");
  peer.say("call.state", { state: "speaking" });
  assert.equal(call.state, "reconnecting");
  peer.become("connected");
  assert.equal(call.state, "speaking");
});

test("a connection that stays away ends the call", async () => {
  const { seen, peer, world } = await openCall();
  peer.become("disconnected");
  await world.clock.advance(RETURN_MS);
  assert.equal(seen.ends[0].reason, "peer_lost");
  assert.deepEqual(seen.states.slice(2), ["reconnecting", "ended"]);
});

test("the gateway's own end is the end, and is not answered", async () => {
  const { seen, peer, world } = await openCall();
  peer.say("error", { code: "live_closed", message: "1011", fatal: true });
  peer.say("call.ended", { reason: "live_lost", message: "The service closed the session." });
  await settled();
  assert.deepEqual(seen.ends, [
    { reason: "live_lost", message: "The service closed the session.", problem: null },
  ]);
  assert.deepEqual(world.requestsAfterOffer, []);
  assert.equal(seen.events.at(-1).type, "call.ended", "the event is told before the end");
});

test("a channel that closes without a word asks the gateway how the call ended", async () => {
  const { seen, peer, world } = await openCall();
  const ended = { reason: "limit", message: "60 minutes." };
  world.report = () => reply(200, JSON.stringify({ id: "call_1", state: "ended", ended }));
  peer.channel.close();
  await settled();
  await settled();
  assert.deepEqual(seen.ends, [{ ...ended, problem: null }]);
  assert.deepEqual(world.requestsAfterOffer, [`GET ${CALL}`]);
});

test("a gateway that lets go before the channel opened is asked for its reason", async () => {
  const world = new FakeWorld();
  const ended = { reason: "live_refused", message: "No such model." };
  world.report = () => reply(200, JSON.stringify({ id: "call_1", state: "ended", ended }));
  const { call, seen } = newCall(world);
  await call.start();
  world.peer.become("failed");
  await settled();
  assert.equal(seen.ends[0].reason, "live_refused");
});

test("the first reason stays, whatever else happens at the same time", async () => {
  const { call, seen, peer } = await openCall();
  peer.become("failed"); // asks the gateway, which takes a moment
  call.close();
  await settled();
  await settled();
  assert.deepEqual(
    seen.ends.map(({ reason }) => reason),
    ["hangup"],
  );
});

test("nothing is told after the end", async () => {
  const { call, seen, peer } = await openCall();
  call.close();
  const told = seen.events.length;
  peer.say("call.state", { state: "speaking" });
  peer.become("connected");
  assert.equal(seen.events.length, told);
  assert.equal(call.state, "ended");
});

test("the quality is read at once, then every two seconds, until the end", async () => {
  const { call, seen, peer, world } = await openCall();
  peer.stats.set("p", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.03 });
  await settled();
  await world.clock.advance(QUALITY_MS * 2);
  assert.equal(seen.qualities.length, 3);
  assert.equal(seen.qualities.at(-1).rtt_ms, 30);
  call.close();
  await world.clock.advance(QUALITY_MS * 2);
  assert.equal(seen.qualities.length, 3);
});

test("a listener can be taken away", async () => {
  const world = new FakeWorld();
  const call = new Call(world);
  const states = [];
  const stop = call.on("state", ({ state }) => states.push(state));
  stop();
  await call.start();
  assert.deepEqual(states, []);
});
