/**
 * What is said between a client and livegate: every path, message and event of docs/protocol.md.
 *
 * Builds what a client sends and checks what the gateway sends, so that the code behind it meets
 * only values of the types below. Knows no DOM, no WebRTC and no network.
 *
 * Two rules of reading: a message that breaks the protocol is a `ProtocolError` that says where;
 * an event of a type not known here, or a field more, is no error (a newer gateway has more words).
 */

export const PROTOCOL = 1;
export const CHANNEL_LABEL = "events";
export const MAX_TEXT_CHARS = 32_000;
export const MAX_MESSAGE_BYTES = 64 * 1024;

/** The states of a call, as `call.state` and `GET /v1/calls/{id}` name them. */
export const STATES = /** @type {const} */ (["connecting", "listening", "thinking", "speaking"]);

/** Why a call ended, as `call.ended` names it. */
export const REASONS = /** @type {const} */ ([
  "hangup",
  "not_connected",
  "peer_lost",
  "idle",
  "limit",
  "live_refused",
  "live_lost",
  "shutdown",
  "bug",
]);

/**
 * @typedef {typeof STATES[number]} State
 * @typedef {typeof REASONS[number]} Reason
 *
 * @typedef {object} Header  In every event. `seq` counts from 1 in one call; `t_ms` from its creation.
 * @property {string} event_id
 * @property {number} seq
 * @property {number} t_ms
 *
 * @typedef {Header & {type: "call.ready", protocol: number, call_id: string, model: string,
 *   voice: string | null, language: string | null, replayed: number}} CallReady
 * @typedef {Header & {type: "call.state", state: State}} CallState
 * @typedef {Header & {type: "call.ended", reason: string, message: string}} CallEnded
 * @typedef {Header & {type: "speech.started" | "speech.stopped", turn: number}} Speech
 * @typedef {Header & {type: "transcript.user" | "transcript.model", text: string, final: boolean,
 *   interim: boolean, turn: number}} Transcript
 * @typedef {Header & {type: "turn.started", turn: number}} TurnStarted
 * @typedef {Header & {type: "turn.interrupted", turn: number, heard_ms: number}} TurnInterrupted
 * @typedef {Header & {type: "turn.completed", turn: number, latency_ms: number | null,
 *   usage: Usage | null}} TurnCompleted
 * @typedef {Header & {type: "warning", code: string, message: string}} Warning
 * @typedef {Header & {type: "error", code: string, message: string, fatal: boolean}} Failure
 * @typedef {CallReady | CallState | CallEnded | Speech | Transcript | TurnStarted | TurnInterrupted
 *   | TurnCompleted | Warning | Failure} GatewayEvent
 *
 * @typedef {{prompt_tokens: number, output_tokens: number, total_tokens: number}} Usage  of a turn
 *
 * @typedef {{type: "hello", protocol: number, after_seq: number}} Hello
 * @typedef {{type: "input.text", text: string}} InputText
 * @typedef {{type: "interrupt"}} Interrupt
 * @typedef {Hello | InputText | Interrupt} ClientMessage
 *
 * @typedef {object} Problem  RFC 9457, as every HTTP error of the gateway is.
 * @property {number} status
 * @property {string} code  stable; `http_<status>` when something other than the gateway answered
 * @property {string} detail  a sentence for people
 * @property {string} [request_id]
 *
 * @typedef {object} Choice  What a caller may choose; an empty or missing value leaves it open.
 * @property {string} [model]
 * @property {string} [voice]
 * @property {string} [language]
 *
 * @typedef {{id: string, status: string, capabilities: string[]}} Model
 * @typedef {object} Catalog  `GET /v1/models`.
 * @property {string} live  `local`, `dev`, `vertex` or `custom`: who is at the far end
 * @property {{model: string, voice: string, language: string}} default  empty where nothing is set
 * @property {Model[]} models
 * @property {{name: string, style: string}[]} voices
 * @property {{code: string, name: string}[]} languages
 * @property {string[]} phrases  sentences worth saying, if the far end has a list
 *
 * @typedef {object} CallReport  `GET /v1/calls/{id}`, the part a client needs.
 * @property {string} id
 * @property {string} state
 * @property {{reason: string, message: string} | null} ended
 */

/** The gateway sent something the protocol does not allow. */
export class ProtocolError extends Error {
  /** @override */
  name = "ProtocolError";
}

/** The gateway said no, in a problem document. */
export class Refusal extends Error {
  /** @override */
  name = "Refusal";

  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

// ---- HTTP --------------------------------------------------------------------------------------

/**
 * Where an offer is posted. Only what was chosen is asked for.
 * @param {string | URL} base  the gateway's address; a path in it is kept
 * @param {Choice} [choice]
 */
export function callsUrl(base, choice = {}) {
  const url = new URL("v1/calls", directory(base));
  const { model, voice, language } = choice;
  for (const [name, value] of Object.entries({ model, voice, language })) {
    if (value) url.searchParams.set(name, value);
  }
  return url.href;
}

/** @param {string | URL} base */
export function modelsUrl(base) {
  return new URL("v1/models", directory(base)).href;
}

/**
 * The address of an open call, from the `Location` of the answer.
 *
 * A gateway behind a proxy that ends TLS may name itself `http:`; a page on `https:` may not ask
 * there. The same host on another scheme is therefore reached as the page was.
 * @param {string | null} location
 * @param {string | URL} base
 */
export function callUrl(location, base) {
  if (!location) throw new ProtocolError("the answer has no Location");
  const root = directory(base);
  let url;
  try {
    url = new URL(location, root);
  } catch {
    throw new ProtocolError(`the answer's Location is not an address: ${location}`);
  }
  if (url.hostname === root.hostname && url.protocol !== root.protocol) {
    url.protocol = root.protocol;
    url.port = root.port;
  }
  return url.href;
}

/** @param {string} url  of the call; a beacon can only POST */
export function hangupUrl(url) {
  return `${url.replace(/\/$/, "")}/hangup`;
}

/**
 * What went wrong, from a response that is not ok; never fails, whoever answered.
 * @param {number} status
 * @param {string} body
 * @returns {Problem}
 */
export function readProblem(status, body) {
  const fallback = { status, code: `http_${status}`, detail: `The server answered ${status}.` };
  let problem;
  try {
    problem = JSON.parse(body);
  } catch {
    return fallback;
  }
  if (!isObject(problem)) return fallback;
  return {
    status,
    code: typeof problem.code === "string" ? problem.code : fallback.code,
    detail: typeof problem.detail === "string" ? problem.detail : fallback.detail,
    ...(typeof problem.request_id === "string" && { request_id: problem.request_id }),
  };
}

/**
 * @param {unknown} value  the JSON of `GET /v1/models`
 * @returns {Catalog}
 */
export function readCatalog(value) {
  const catalog = new Fields("models", value);
  const chosen = new Fields("models.default", catalog.value.default ?? {});
  return {
    live: catalog.text("live", "custom"),
    default: {
      model: chosen.text("model", ""),
      voice: chosen.text("voice", ""),
      language: chosen.text("language", ""),
    },
    models: catalog.list("models").map((each) => ({
      id: each.text("id"),
      status: each.text("status", ""),
      capabilities: each.texts("capabilities"),
    })),
    voices: catalog.list("voices").map((each) => ({
      name: each.text("name"),
      style: each.text("style", ""),
    })),
    languages: catalog.list("languages").map((each) => ({
      code: each.text("code"),
      name: each.text("name", each.text("code")),
    })),
    phrases: catalog.texts("phrases"),
  };
}

/**
 * @param {unknown} value  the JSON of `GET /v1/calls/{id}`
 * @returns {CallReport}
 */
export function readCallReport(value) {
  const report = new Fields("call", value);
  const ended = report.value.ended == null ? null : new Fields("call.ended", report.value.ended);
  return {
    id: report.text("id"),
    state: report.text("state"),
    ended: ended && { reason: ended.text("reason"), message: ended.text("message", "") },
  };
}

// ---- the data channel --------------------------------------------------------------------------

/**
 * @param {number} [afterSeq]  the newest event already seen
 * @returns {Hello}
 */
export function hello(afterSeq = 0) {
  return { type: "hello", protocol: PROTOCOL, after_seq: afterSeq };
}

/**
 * Typed words, without the space around them. Throws `RangeError` when the text has no length the
 * gateway takes.
 * @param {string} text
 * @returns {InputText}
 */
export function inputText(text) {
  const words = text.trim();
  const length = [...words].length;
  if (length < 1 || length > MAX_TEXT_CHARS) {
    throw new RangeError(`a text has 1 to ${MAX_TEXT_CHARS} characters, not ${length}`);
  }
  return { type: "input.text", text: words };
}

/** @returns {Interrupt} */
export function interrupt() {
  return { type: "interrupt" };
}

/**
 * The text to put on the channel. Throws `RangeError` above 64 KiB, which a text of fewer than
 * 32,000 characters can be in scripts that need three bytes for each.
 * @param {ClientMessage} message
 */
export function encode(message) {
  const text = JSON.stringify(message);
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new RangeError(`a message has at most ${MAX_MESSAGE_BYTES} bytes, not ${bytes}`);
  }
  return text;
}

/** @type {Record<string, (fields: Fields) => object>} */
const EVENTS = {
  "call.ready": (event) => ({
    protocol: event.integer("protocol"),
    call_id: event.text("call_id"),
    model: event.text("model", ""),
    voice: event.textOrNull("voice"),
    language: event.textOrNull("language"),
    replayed: event.integer("replayed", 0),
  }),
  "call.state": (event) => ({ state: event.text("state") }),
  "call.ended": (event) => ({ reason: event.text("reason"), message: event.text("message", "") }),
  "speech.started": (event) => ({ turn: event.integer("turn") }),
  "speech.stopped": (event) => ({ turn: event.integer("turn") }),
  "transcript.user": readTranscript,
  "transcript.model": readTranscript,
  "turn.started": (event) => ({ turn: event.integer("turn") }),
  "turn.interrupted": (event) => ({
    turn: event.integer("turn"),
    heard_ms: event.number("heard_ms", 0),
  }),
  "turn.completed": (event) => ({
    turn: event.integer("turn"),
    latency_ms: event.numberOrNull("latency_ms"),
    usage: event.value.usage ?? null,
  }),
  warning: (event) => ({ code: event.text("code"), message: event.text("message", "") }),
  error: (event) => ({
    code: event.text("code"),
    message: event.text("message", ""),
    fatal: event.flag("fatal"),
  }),
};

/**
 * One message of the data channel.
 * @param {unknown} data  what the channel delivered
 * @returns {GatewayEvent | null}  null: well-formed, of a type that is not known here
 */
export function readEvent(data) {
  if (typeof data !== "string") throw new ProtocolError("an event is a text message");
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    throw new ProtocolError("an event is JSON");
  }
  const event = new Fields("event", value);
  const type = event.text("type");
  const read = Object.hasOwn(EVENTS, type) ? EVENTS[type] : undefined;
  if (!read) return null;
  const fields = new Fields(type, value);
  return /** @type {GatewayEvent} */ ({
    type,
    event_id: fields.text("event_id", ""),
    seq: fields.integer("seq"),
    t_ms: fields.number("t_ms", 0),
    ...read(fields),
  });
}

/** @param {Fields} event */
function readTranscript(event) {
  return {
    text: event.text("text", ""),
    final: event.flag("final"),
    interim: event.flag("interim"),
    turn: event.integer("turn"),
  };
}

// ---- reading -----------------------------------------------------------------------------------

/** A JSON object whose fields are read by type; with a `fallback` the field may be missing or null. */
class Fields {
  /**
   * @param {string} name  for the error's text
   * @param {unknown} value
   */
  constructor(name, value) {
    if (!isObject(value)) throw new ProtocolError(`${name} is not an object`);
    this.name = name;
    this.value = value;
  }

  /** @param {string} key @param {string} [fallback] @returns {string} */
  text(key, fallback) {
    return this.#read(key, fallback, isText, "a text");
  }

  /** @param {string} key @returns {string | null} */
  textOrNull(key) {
    return this.#read(key, null, isText, "a text");
  }

  /** @param {string} key @param {number} [fallback] @returns {number} */
  number(key, fallback) {
    return this.#read(key, fallback, Number.isFinite, "a number");
  }

  /** @param {string} key @returns {number | null} */
  numberOrNull(key) {
    return this.#read(key, null, Number.isFinite, "a number");
  }

  /** @param {string} key @param {number} [fallback] @returns {number} */
  integer(key, fallback) {
    return this.#read(key, fallback, Number.isSafeInteger, "an integer");
  }

  /** @param {string} key @returns {boolean} */
  flag(key) {
    return this.#read(key, false, (value) => typeof value === "boolean", "true or false");
  }

  /** @param {string} key @returns {string[]} */
  texts(key) {
    const isTexts = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(isText);
    return this.#read(key, [], isTexts, "a list of texts");
  }

  /** @param {string} key @returns {Fields[]} */
  list(key) {
    const values = this.#read(key, [], Array.isArray, "a list");
    return values.map((/** @type {unknown} */ each) => new Fields(`${this.name}.${key}[]`, each));
  }

  /**
   * @param {string} key
   * @param {any} fallback
   * @param {(value: unknown) => boolean} is
   * @param {string} form
   * @returns {any}
   */
  #read(key, fallback, is, form) {
    const value = Object.hasOwn(this.value, key) ? this.value[key] : undefined;
    if (value == null && fallback !== undefined) return fallback;
    if (!is(value)) throw new ProtocolError(`${this.name}.${key} is not ${form}`);
    return value;
  }
}

/** @param {unknown} value @returns {value is string} */
function isText(value) {
  return typeof value === "string";
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string | URL} base */
function directory(base) {
  const url = new URL(base);
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname = url.pathname.replace(/[^/]*$/, "");
  return url;
}
