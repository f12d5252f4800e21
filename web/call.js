/**
 * One call: a peer connection, the data channel `events`, and an end that comes once.
 *
 * `start()` reads from top to bottom: offer, answer, connected, `hello`. Whatever goes wrong, and
 * whoever hangs up, arrives at `#end`, which closes everything and keeps the first reason.
 * Knows no DOM and takes the browser's parts as arguments, so that it runs in Node under test.
 */

import {
  CHANNEL_LABEL,
  callsUrl,
  callUrl,
  encode,
  hangupUrl,
  hello,
  inputText,
  interrupt,
  ProtocolError,
  readCallReport,
  readEvent,
  readProblem,
  STATES,
} from "./protocol.js";
import { QualityMeter } from "./quality.js";

/** @import { ClientMessage, Choice, GatewayEvent, Problem, State } from "./protocol.js" */
/** @import { Quality } from "./quality.js" */

export const GATHER_MS = 1_000; // for candidates; the gateway also learns addresses from our checks
export const ANSWER_MS = 15_000; // from offer to answer
export const CONNECT_MS = 20_000; // from answer to `call.ready`; the gateway waits as long
export const RETURN_MS = 10_000; // for a connection that was interrupted
export const RESTART_MS = 3_000; // for the answer to an ICE restart, and for it to connect
export const AGAIN_MS = [500, 1_000, 2_000, 4_000]; // between restarts that came to nothing
export const REPORT_MS = 3_000; // for the gateway's own word on how the call ended
export const HUSH_MS = 150; // as much as a jitter buffer holds; the next reply comes later
export const QUALITY_MS = 2_000; // between two readings

/**
 * @typedef {"new" | State | "reconnecting" | "ended"} CallState
 *
 * @typedef {object} End
 * @property {string} reason  one of `REASONS` when the gateway or the peers ended it, or:
 *   `unreachable` (no answer by HTTP), `refused` (a problem document, in `problem`),
 *   `bad_answer` (an answer that is none), `no_webrtc` (the browser could not make an offer);
 *   `bug` may also be one of this file
 * @property {string} message  a sentence of the gateway, the browser's own text, or empty
 * @property {Problem | null} problem
 *
 * @typedef {object} CallEvents  What `on` listens to.
 * @property {{state: CallState, previous: CallState}} state
 * @property {GatewayEvent} event  each event of the data channel, once
 * @property {MediaStream} stream  what the model says, as soon as there is a track for it
 * @property {Quality} quality
 * @property {Error} unreadable  a message of the gateway that breaks the protocol, and was skipped
 * @property {End} ended  once
 *
 * @typedef {object} World  The browser's parts a call is made of.
 * @property {string} base  the gateway's address
 * @property {typeof globalThis.fetch} fetch
 * @property {(url: string) => boolean} sendBeacon
 * @property {(configuration: RTCConfiguration) => RTCPeerConnection} createPeer
 * @property {(track: MediaStreamTrack) => MediaStream} createStream
 * @property {EventTarget} page  has `pagehide` and `online`
 * @property {(act: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

export class Call extends EventTarget {
  /** @type {CallState} */
  state = "new";
  /** @type {string | null} the call's own address, once it is open */
  url = null;
  /** @type {string | null} */
  id = null;
  /** @type {MediaStream | null} what the model says */
  remoteStream = null;
  /** @type {End | null} */
  end = null;

  /** @type {World} */
  #world;
  /** @type {RTCIceServer[]} */
  #iceServers;
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** @type {MediaStreamTrack | null} what the model says, as a track */
  #voice = null;
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {State} what the gateway last said */
  #said = "connecting";
  #newestSeq = 0;
  /** @type {Map<string, unknown>} timers, by what they limit */
  #limits = new Map();
  #isAsking = false;
  #isRestarting = false;
  #canRestart = true; // until the gateway says that its engine cannot

  /**
   * @param {World} world
   * @param {{iceServers?: RTCIceServer[]}} [options]
   */
  constructor(world, { iceServers = [] } = {}) {
    super();
    this.#world = world;
    this.#iceServers = iceServers;
  }

  /**
   * Calls. Settles when the answer is set or the call has ended; never rejects: see `ended`.
   * @param {{microphone?: MediaStream | null, choice?: Choice}} [options]  without a microphone
   *   the call only listens, and the caller types
   */
  async start({ microphone = null, choice = {} } = {}) {
    if (this.state !== "new") throw new Error("a call starts once");
    this.#world.page.addEventListener("pagehide", this.#onPageHide);
    this.#world.page.addEventListener("online", this.#onOnline);
    this.#enter("connecting");
    try {
      const peer = this.#open(microphone);
      const offer = await this.#offer(peer);
      if (this.end) return;
      const answer = await this.#post(callsUrl(this.#world.base, choice), offer);
      if (this.end) return this.#hangUpThere(); // hung up before there was an address to say so
      this.#limit("connect", CONNECT_MS, () => this.#lost("not_connected"));
      await peer
        .setRemoteDescription({ type: "answer", sdp: answer })
        .catch(failWith("bad_answer"));
    } catch (error) {
      const { reason, message, problem } = asFailure(error);
      this.#end(reason, message, { problem });
    }
  }

  /** Hangs up. A second time it does nothing. */
  close() {
    this.#end("hangup");
  }

  /**
   * Says something in writing.
   * @param {string} text  1 to 32,000 characters and below 64 KiB, otherwise `RangeError`
   * @returns {boolean}  false: not connected, nothing was sent
   */
  sendText(text) {
    return this.#send(inputText(text));
  }

  /** Stops this reply. @returns {boolean} */
  interrupt() {
    return this.#send(interrupt());
  }

  /**
   * Another microphone, in mid-call. Does nothing in a call that began without one.
   * @param {MediaStreamTrack} track
   */
  async replaceTrack(track) {
    await this.#sender?.replaceTrack(track);
  }

  /**
   * @template {keyof CallEvents} K
   * @param {K} type
   * @param {(detail: CallEvents[K]) => void} listener
   * @returns {() => void}  stops listening
   */
  on(type, listener) {
    const handler = (/** @type {any} */ event) => listener(event.detail);
    this.addEventListener(type, handler);
    return () => this.removeEventListener(type, handler);
  }

  // ---- before the answer -----------------------------------------------------------------------

  /** @param {MediaStream | null} microphone */
  #open(microphone) {
    const configuration = { iceServers: this.#iceServers };
    const peer = attempt("no_webrtc", () => this.#world.createPeer(configuration));
    this.#peer = peer;
    peer.addEventListener("connectionstatechange", this.#onConnectionState);
    peer.addEventListener("track", ({ track }) => {
      this.#voice = track;
      this.remoteStream = this.#world.createStream(track);
      this.#emit("stream", this.remoteStream);
    });

    const channel = peer.createDataChannel(CHANNEL_LABEL);
    this.#channel = channel;
    channel.addEventListener("open", () => this.#send(hello(this.#newestSeq)));
    channel.addEventListener("message", ({ data }) => this.#receive(data));
    channel.addEventListener("close", () => this.#lost("peer_lost"));

    const track = microphone?.getAudioTracks()[0];
    if (microphone && track) {
      const transceiver = peer.addTransceiver(track, {
        direction: "sendrecv",
        streams: [microphone],
      });
      this.#sender = transceiver.sender;
    } else {
      peer.addTransceiver("audio", { direction: "recvonly" });
    }
    return peer;
  }

  /**
   * The offer with the candidates found in `GATHER_MS`.
   * @param {RTCPeerConnection} peer
   */
  async #offer(peer) {
    try {
      await peer.setLocalDescription(await peer.createOffer());
    } catch (error) {
      return failWith("no_webrtc")(error);
    }
    await new Promise((resolve) => {
      const check = () => peer.iceGatheringState === "complete" && resolve(true);
      peer.addEventListener("icegatheringstatechange", check);
      this.#world.setTimeout(() => resolve(false), GATHER_MS);
      check();
    });
    return peer.localDescription?.sdp ?? "";
  }

  /**
   * @param {string} url
   * @param {string} offer
   * @returns {Promise<string>}  the answer
   */
  async #post(url, offer) {
    const { response, body } = await this.#fetch(url, ANSWER_MS, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
      body: offer,
    });
    if (!response.ok) throw new Failure("refused", { problem: readProblem(response.status, body) });
    this.url = callUrl(response.headers.get("Location"), this.#world.base);
    return body;
  }

  // ---- while it lasts --------------------------------------------------------------------------

  #onConnectionState = () => {
    switch (this.#peer?.connectionState) {
      case "connected":
        this.#release("return");
        this.#release("restart");
        if (this.state === "reconnecting") this.#enter(this.#said);
        if (!this.#limits.has("quality")) this.#watchQuality();
        return;
      case "disconnected":
        this.#reconnect();
        return;
      case "failed":
        if (this.id && this.#canRestart) this.#reconnect();
        else this.#lost(this.id ? "peer_lost" : "not_connected");
    }
  };

  /** The browser has a network again, perhaps another one than the connection knows. */
  #onOnline = () => {
    if (this.id) this.#restart();
  };

  /** The connection may come back by itself; a restart finds another way if there is one. */
  #reconnect() {
    this.#enter("reconnecting");
    if (!this.#limits.has("return")) {
      this.#limit("return", RETURN_MS, () => this.#lost("peer_lost"));
    }
    this.#restart();
  }

  /**
   * Restarts ICE by another offer for the same call; again after a while if that did not help.
   * @param {number} [attempt]
   */
  async #restart(attempt = 0) {
    if (!this.#peer || !this.url || !this.#canRestart) return;
    if (this.#isRestarting || this.#isAsking || this.end) return;
    this.#isRestarting = true;
    const isAnswered = await this.#offerAgain(this.#peer, this.url).catch(() => false);
    this.#isRestarting = false;
    if (this.end || this.state !== "reconnecting") return;
    if (!this.#canRestart) {
      if (this.#peer.connectionState === "failed") this.#lost("peer_lost");
    } else if (attempt < AGAIN_MS.length) {
      const wait = AGAIN_MS[attempt] ?? 0;
      const again = () => this.#restart(attempt + 1);
      this.#limit("restart", isAnswered ? Math.max(wait, RESTART_MS) : wait, again);
    }
  }

  /**
   * One offer with new ICE credentials. The gateway needs no candidates of ours.
   * @param {RTCPeerConnection} peer
   * @param {string} url
   * @returns {Promise<boolean>}  whether there was an answer to go on with
   */
  async #offerAgain(peer, url) {
    peer.restartIce();
    await peer.setLocalDescription(await peer.createOffer());
    const { response, body } = await this.#fetch(url, RESTART_MS, {
      method: "PATCH",
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
      body: peer.localDescription?.sdp ?? "",
    });
    if (this.end) return false;
    if (response.ok) {
      await peer.setRemoteDescription({ type: "answer", sdp: body });
      return true;
    }
    if (response.status === 404 || response.status === 409) {
      this.#lost("peer_lost"); // the call is over
    } else if (response.status < 500) {
      this.#canRestart = false;
      await peer.setLocalDescription({ type: "rollback" });
    }
    return false;
  }

  /** @param {unknown} data */
  #receive(data) {
    let event;
    try {
      event = readEvent(data);
    } catch (error) {
      this.#emit("unreadable", /** @type {Error} */ (error));
      return;
    }
    if (!event || this.end) return;
    // `call.ready` is an answer and no part of the count; a replay may repeat what is known.
    if (event.type !== "call.ready") {
      if (event.seq <= this.#newestSeq) return;
      this.#newestSeq = event.seq;
    }

    if (event.type === "call.ready") {
      this.#release("connect");
      this.id = event.call_id;
    }
    if (event.type === "turn.interrupted") this.#hush();
    this.#emit("event", event);
    if (event.type === "call.state" && STATES.includes(event.state)) {
      this.#said = event.state;
      if (this.state !== "reconnecting") this.#enter(event.state);
    } else if (event.type === "call.ended") {
      this.#end(event.reason, event.message, { tell: false });
    }
  }

  /** What of a cut reply waits in the browser's jitter buffer is not played either. */
  #hush() {
    const voice = this.#voice;
    if (!voice) return;
    voice.enabled = false;
    this.#limit("hush", HUSH_MS, () => {
      voice.enabled = true;
    });
  }

  /** @param {ClientMessage} message */
  #send(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(encode(message));
    return true;
  }

  #watchQuality() {
    const meter = new QualityMeter();
    const read = async () => {
      this.#limit("quality", QUALITY_MS, read);
      const report = await this.#peer?.getStats().catch(() => null);
      if (report && !this.end) this.#emit("quality", meter.read(report));
    };
    read();
  }

  // ---- the end ---------------------------------------------------------------------------------

  #onPageHide = () => this.#end("hangup", "", { byBeacon: true });

  /**
   * The connection is gone. The gateway may know a better reason than that: ask it.
   * @param {"peer_lost" | "not_connected"} reason
   */
  async #lost(reason) {
    if (this.end || this.#isAsking) return;
    this.#isAsking = true;
    const ended = this.url ? await this.#askHowItEnded(this.url) : null;
    this.#end(ended?.reason ?? reason, ended?.message, { tell: !ended });
  }

  /** @param {string} url */
  async #askHowItEnded(url) {
    try {
      const { response, body } = await this.#fetch(url, REPORT_MS, { cache: "no-store" });
      return response.ok ? readCallReport(JSON.parse(body)).ended : null;
    } catch {
      return null; // nobody there to ask, or nothing to understand
    }
  }

  /**
   * The only way out: the first reason stays.
   * @param {string} reason
   * @param {string} [message]
   * @param {{problem?: Problem | null, tell?: boolean, byBeacon?: boolean}} [how]  `tell` the
   *   gateway, unless it was the gateway who said so
   */
  #end(reason, message = "", { problem = null, tell = true, byBeacon = false } = {}) {
    if (this.end) return;
    this.end = Object.freeze({ reason, message, problem });
    this.#world.page.removeEventListener("pagehide", this.#onPageHide);
    this.#world.page.removeEventListener("online", this.#onOnline);
    for (const name of this.#limits.keys()) this.#release(name);
    if (byBeacon && this.url) this.#world.sendBeacon(hangupUrl(this.url));
    else if (tell) this.#hangUpThere();
    this.#channel?.close();
    this.#peer?.close();
    this.#enter("ended");
    this.#emit("ended", this.end);
  }

  #hangUpThere() {
    if (!this.url) return;
    // Nobody waits for this: the gateway also notices that the peer is gone.
    this.#fetch(this.url, REPORT_MS, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  // ---- tools -----------------------------------------------------------------------------------

  /**
   * A response, whatever its status, with its whole body; otherwise `unreachable`.
   * @param {string} url
   * @param {number} limitMs
   * @param {RequestInit} init
   */
  async #fetch(url, limitMs, init) {
    const aborter = new AbortController();
    const timer = this.#world.setTimeout(() => aborter.abort(), limitMs);
    try {
      const response = await this.#world.fetch(url, { ...init, signal: aborter.signal });
      return { response, body: await response.text() };
    } catch (error) {
      return failWith("unreachable")(error);
    } finally {
      this.#world.clearTimeout(timer);
    }
  }

  /** @param {string} name @param {number} ms @param {() => void} act */
  #limit(name, ms, act) {
    this.#release(name);
    if (!this.end) this.#limits.set(name, this.#world.setTimeout(act, ms));
  }

  /** @param {string} name */
  #release(name) {
    this.#world.clearTimeout(this.#limits.get(name));
    this.#limits.delete(name);
  }

  /** @param {CallState} state */
  #enter(state) {
    const previous = this.state;
    if (state === previous || previous === "ended") return;
    this.state = state;
    this.#emit("state", { state, previous });
  }

  /**
   * @template {keyof CallEvents} K
   * @param {K} type
   * @param {CallEvents[K]} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), { detail }));
  }
}

/** A way to end that has a name. */
class Failure extends Error {
  /**
   * @param {string} reason
   * @param {{message?: string, problem?: Problem | null}} [more]
   */
  constructor(reason, { message = "", problem = null } = {}) {
    super(message);
    this.reason = reason;
    this.problem = problem;
  }
}

/** @param {string} reason @returns {(error: unknown) => never} */
function failWith(reason) {
  return (error) => {
    throw new Failure(reason, { message: error instanceof Error ? error.message : String(error) });
  };
}

/**
 * @template T
 * @param {string} reason
 * @param {() => T} act
 * @returns {T}
 */
function attempt(reason, act) {
  try {
    return act();
  } catch (error) {
    return failWith(reason)(error);
  }
}

/** @param {unknown} error */
function asFailure(error) {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(error instanceof ProtocolError ? "bad_answer" : "bug", { message });
}
