/**
 * Small stand-ins for the browser's parts that `Call` takes: a peer connection, a data channel,
 * fetch, and a clock that moves when a test says so. They behave as the W3C text says a part
 * behaves; what happens, and when, is decided by the test.
 */

export class FakeClock {
  #timers = new Map();
  #next = 1;
  now = 0;

  setTimeout = (act, ms) => {
    this.#timers.set(this.#next, { act, at: this.now + ms });
    return this.#next++;
  };

  clearTimeout = (timer) => void this.#timers.delete(timer);

  /** Timers that are still to come. */
  get pending() {
    return this.#timers.size;
  }

  /** Moves on, runs what is due in order, and lets promises settle after each. */
  async advance(ms) {
    await settled();
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      if (due.length === 0) break;
      const [timer, { act, at }] = due.reduce((a, b) => (b[1].at < a[1].at ? b : a));
      this.#timers.delete(timer);
      this.now = at;
      act();
      await settled();
    }
    this.now = end;
    await settled();
  }
}

/** All promises that can settle now have settled. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

function fire(target, type, fields = {}) {
  target.dispatchEvent(Object.assign(new Event(type), fields));
}

export class FakeChannel extends EventTarget {
  readyState = "connecting";
  sent = [];

  constructor(label) {
    super();
    this.label = label;
  }

  send(text) {
    if (this.readyState !== "open") throw new Error("InvalidStateError");
    this.sent.push(JSON.parse(text));
  }

  close() {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    setImmediate(() => fire(this, "close"));
  }

  open() {
    this.readyState = "open";
    fire(this, "open");
  }

  /** What the gateway sends, whatever it is. */
  deliver(data) {
    fire(this, "message", { data });
  }
}

export class FakePeer extends EventTarget {
  connectionState = "new";
  iceGatheringState = "gathering";
  localDescription = null;
  remoteDescription = null;
  channel = null;
  transceivers = [];
  /** Of what was called, in order. */
  calls = [];
  stats = new Map();
  refusesAnswer = false;
  #restarts = 0;
  #seq = 0;

  constructor(configuration) {
    super();
    this.configuration = configuration;
  }

  createDataChannel(label) {
    this.calls.push("createDataChannel");
    this.channel = new FakeChannel(label);
    return this.channel;
  }

  addTransceiver(trackOrKind, init) {
    this.calls.push("addTransceiver");
    const sender = {
      track: trackOrKind,
      async replaceTrack(track) {
        sender.track = track;
      },
    };
    const transceiver = { kind: trackOrKind, ...init, sender };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async createOffer() {
    this.calls.push("createOffer");
    return { type: "offer", sdp: this.#restarts ? `v=0 restart ${this.#restarts}` : "v=0 offer" };
  }

  restartIce() {
    this.#restarts += 1;
  }

  async setLocalDescription(description) {
    if (description.type === "rollback") this.calls.push("rollback");
    this.localDescription = description;
  }

  async setRemoteDescription(description) {
    if (this.refusesAnswer) throw new Error("InvalidAccessError: not an answer");
    this.remoteDescription = description;
  }

  async getStats() {
    return this.stats;
  }

  close() {
    this.calls.push("close");
    this.connectionState = "closed";
  }

  // What the network and the gateway do:

  gathered() {
    this.iceGatheringState = "complete";
    fire(this, "icegatheringstatechange");
  }

  become(state) {
    this.connectionState = state;
    fire(this, "connectionstatechange");
  }

  addTrack(track) {
    fire(this, "track", { track });
  }

  /** An event of the gateway, numbered as it would be. */
  say(type, fields = {}) {
    const seq = type === "call.ready" ? 0 : ++this.#seq;
    const header = { type, event_id: `evt_${seq}`, seq, t_ms: seq * 10 };
    this.channel.deliver(JSON.stringify({ ...header, ...fields }));
  }
}

/** Everything a `Call` asks of a browser. */
export class FakeWorld {
  base = "http://gateway.test/";
  clock = new FakeClock();
  page = new EventTarget();
  peers = [];
  /** `[method, url, body]` of each request, and of each beacon. */
  requests = [];
  iceStateAtStart = "complete";
  createPeerError = null;
  answer = () => reply(201, "v=0 answer", { Location: "/v1/calls/call_1" });
  report = () => reply(404, "");
  restart = () => problem(422, "cannot_change_connection", "Not this engine.");

  setTimeout = this.clock.setTimeout;
  clearTimeout = this.clock.clearTimeout;
  createStream = (track) => ({ tracks: [track] });

  createPeer = (configuration) => {
    if (this.createPeerError) throw this.createPeerError;
    const peer = new FakePeer(configuration);
    peer.iceGatheringState = this.iceStateAtStart;
    this.peers.push(peer);
    return peer;
  };

  fetch = (url, { method = "GET", body, signal }) => {
    this.requests.push([method, url, body]);
    const answers = {
      POST: this.answer,
      PATCH: this.restart,
      GET: this.report,
      DELETE: () => reply(200, ""),
    };
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      Promise.resolve().then(answers[method]).then(resolve, reject);
    });
  };

  sendBeacon = (url) => {
    this.requests.push(["BEACON", url, undefined]);
    return true;
  };

  get peer() {
    return this.peers[this.peers.length - 1];
  }

  /** Methods and addresses after the offer. */
  get requestsAfterOffer() {
    return this.requests.slice(1).map(([method, url]) => `${method} ${url}`);
  }
}

export function reply(status, body, headers = {}) {
  return new Response(body, { status, headers });
}

export function problem(status, code, detail) {
  return reply(status, JSON.stringify({ type: "about:blank", status, code, detail }), {
    "Content-Type": "application/problem+json",
  });
}

/** A microphone as `getUserMedia` gives it. */
export function fakeStream() {
  const track = Object.assign(new EventTarget(), { kind: "audio", enabled: true, stopped: false });
  track.stop = () => {
    track.stopped = true;
  };
  return { getAudioTracks: () => [track], getTracks: () => [track] };
}
