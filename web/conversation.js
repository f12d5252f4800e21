/**
 * The written side of a call: who said what, in order, from the events of the data channel.
 *
 * The Live API gives transcripts no order against turns: the caller's words may come after the
 * reply to them began. An entry therefore finds its place by `turn` and speaker, not by arrival.
 * Speech may also have no transcript at all: `giveUp` makes an entry of it, and words that come
 * after all take its place.
 */

/** @import { GatewayEvent, Transcript } from "./protocol.js" */

/**
 * @typedef {object} Entry  One thing said.
 * @property {number} id  stays the same while the entry grows
 * @property {"caller" | "model"} who
 * @property {number | null} turn  null: typed, and no turn of the gateway has taken it up yet
 * @property {string} text  what is settled
 * @property {string} guess  an interim continuation; the next message replaces it
 * @property {boolean} open  more may come
 * @property {boolean} typed
 * @property {boolean} unheard  speech that no words have come of
 * @property {boolean} interrupted
 * @property {number | null} heard_ms  how much of an interrupted reply was played
 * @property {number | null} latency_ms  from the caller's last sound to the first of the reply
 */

/**
 * From `speech.started` to `speech.stopped`. The gateway waits for half a second of silence before
 * it says that speech has stopped: what is shorter than this was a noise, or hardly a word.
 */
export const SPEECH_MS = 800;

export class Conversation {
  /** @type {Entry[]} */
  entries = [];
  #nextId = 1;
  #newestTurn = 0;
  /** @type {Map<number, Partial<Entry>>} what is known of a reply before its first word came */
  #early = new Map();
  /** @type {Set<Entry>} typed, and not yet said back by the gateway as the caller's transcript */
  #unconfirmed = new Set();
  /** @type {Map<number, number>} when the caller began to speak, on the call's clock, by turn */
  #speaking = new Map();
  /** @type {Set<number>} turns in which the caller said something, of a length to be speech */
  #spoken = new Set();

  /**
   * The caller typed something.
   * @param {string} text
   */
  type(text) {
    const entry = this.#entry("caller", null, { text, typed: true });
    this.entries.push(entry);
    this.#unconfirmed.add(entry);
    return entry;
  }

  /**
   * Takes an event; says which entry it changed or made.
   * @param {GatewayEvent} event
   * @returns {Entry | null}
   */
  receive(event) {
    switch (event.type) {
      case "speech.started":
        this.#speaking.set(event.turn, event.t_ms);
        return null;
      case "speech.stopped": {
        const begun = this.#speaking.get(event.turn) ?? Number.POSITIVE_INFINITY;
        this.#speaking.delete(event.turn);
        if (event.t_ms - begun >= SPEECH_MS) this.#spoken.add(event.turn);
        return null;
      }
      case "turn.started":
        this.#adopt(event.turn);
        return null;
      case "transcript.user":
      case "transcript.model":
        return this.#append(event);
      case "turn.interrupted":
        return this.#mark(event.turn, { interrupted: true, heard_ms: event.heard_ms, open: false });
      case "turn.completed":
        return this.#mark(event.turn, { latency_ms: event.latency_ms, open: false });
      default:
        return null;
    }
  }

  /**
   * The words of a turn have been waited for long enough. Nothing happens if there are some, if
   * the caller speaks on, or if what was heard was too short to be speech.
   * @param {number} turn
   * @returns {Entry | null}
   */
  giveUp(turn) {
    if (!this.#spoken.has(turn) || this.#speaking.has(turn)) return null;
    this.#spoken.delete(turn);
    if (this.entries.some((each) => each.who === "caller" && each.turn === turn)) return null;
    const entry = this.#entry("caller", turn, { unheard: true });
    this.entries.splice(this.#place("caller", turn), 0, entry);
    return entry;
  }

  /** The call is over: nothing more comes. */
  close() {
    for (const entry of this.entries) {
      entry.text += entry.guess;
      entry.guess = "";
      entry.open = false;
    }
  }

  /** @param {Transcript} event */
  #append(event) {
    const who = event.type === "transcript.user" ? "caller" : "model";
    if (who === "model") this.#adopt(event.turn);
    if (who === "caller" && event.final && this.#isEcho(event)) return null;
    let entry = this.entries.find(
      (each) => each.who === who && each.turn === event.turn && !each.typed,
    );
    if (!entry) {
      if (!event.text.trim()) return null;
      const early = who === "model" ? this.#early.get(event.turn) : {};
      entry = this.#entry(who, event.turn, { open: true, ...early });
      this.entries.splice(this.#place(who, event.turn), 0, entry);
    }
    if (event.text.trim()) entry.unheard = false;
    entry.guess = event.interim ? event.text : "";
    if (!event.interim) entry.text += event.text;
    // Words that come after the end of the reply were made before it: they settle nothing.
    entry.open = !event.final && !entry.interrupted;
    return entry;
  }

  /** @param {number} turn @param {Partial<Entry>} what */
  #mark(turn, what) {
    const entry = this.entries.find((each) => each.who === "model" && each.turn === turn);
    if (!entry) {
      this.#early.set(turn, { ...this.#early.get(turn), ...what });
      return null;
    }
    return Object.assign(entry, what);
  }

  /** What was typed before a turn began belongs to it. @param {number} turn */
  #adopt(turn) {
    if (turn <= this.#newestTurn) return;
    this.#newestTurn = turn;
    for (const entry of this.entries) {
      if (entry.turn === null) entry.turn = turn;
    }
  }

  /**
   * Is this transcript only the typed text coming back? Then it says which turn it began.
   * @param {Transcript} event
   */
  #isEcho(event) {
    for (const entry of this.#unconfirmed) {
      if (entry.text.trim() !== event.text.trim()) continue;
      this.#unconfirmed.delete(entry);
      entry.turn = event.turn;
      return true;
    }
    return false;
  }

  /** @param {Entry["who"]} who @param {number} turn */
  #place(who, turn) {
    const isLater = (/** @type {Entry} */ each) =>
      each.turn !== null &&
      (each.turn > turn || (each.turn === turn && who === "caller" && each.who === "model"));
    const index = this.entries.findIndex(isLater);
    return index < 0 ? this.entries.length : index;
  }

  /**
   * @param {Entry["who"]} who
   * @param {number | null} turn
   * @param {Partial<Entry>} rest
   * @returns {Entry}
   */
  #entry(who, turn, rest) {
    return {
      id: this.#nextId++,
      who,
      turn,
      text: "",
      guess: "",
      open: false,
      typed: false,
      unheard: false,
      interrupted: false,
      heard_ms: null,
      latency_ms: null,
      ...rest,
    };
  }
}
