/**
 * What the page says to people: states, ends and refusals, each with what can be done about it.
 *
 * Texts only, chosen by values: no DOM, so that every sentence has a test.
 */

/** @import { CallState, End } from "./call.js" */
/** @import { Entry } from "./conversation.js" */
/** @import { Catalog } from "./protocol.js" */

/**
 * @typedef {"retry" | "type"} Action  try again; go on without a microphone
 *
 * @typedef {object} Advice
 * @property {string} title
 * @property {string} text
 * @property {string[]} steps  in order, if it takes more than one
 * @property {Action[]} actions
 *
 * @typedef {object} Situation  What decides how a microphone can be allowed.
 * @property {boolean} isSecure  the page came over https, or from this machine
 * @property {boolean} isFramed
 * @property {"granted" | "denied" | "prompt" | "unknown"} permission
 * @property {string} userAgent
 * @property {string} host  as in the address bar
 */

/** @type {Record<CallState | "asking" | "refused", {label: string, hint: string}>} */
export const STATE_WORDS = {
  new: { label: "Ready when you are", hint: "Press the button and just start talking." },
  asking: { label: "Allow the microphone", hint: "Your browser is asking for it now." },
  refused: { label: "Almost there", hint: "" },
  connecting: { label: "Connecting", hint: "One moment." },
  listening: { label: "Listening", hint: "Go ahead, I can hear you." },
  thinking: { label: "Thinking", hint: "An answer is on its way." },
  speaking: { label: "Speaking", hint: "Talk over it at any time to interrupt." },
  reconnecting: { label: "Reconnecting", hint: "The network dropped out. Waiting for it." },
  ended: { label: "Call ended", hint: "" },
};

/** Where the words of the caller would stand, if any had come. */
export const UNHEARD = "(speech not recognized)";

/**
 * What stands below an entry of the conversation.
 * @param {Pick<Entry, "who" | "typed" | "interrupted" | "heard_ms" | "latency_ms">} entry
 */
export function remark({ who, typed, interrupted, heard_ms, latency_ms }) {
  if (interrupted) {
    return (heard_ms ?? 0) < 50 ? "Interrupted" : `Interrupted after ${seconds(heard_ms ?? 0)}`;
  }
  if (who === "model" && latency_ms !== null) return `Answered in ${seconds(latency_ms)}`;
  return typed ? "Typed" : "";
}

/** @param {number} ms */
function seconds(ms) {
  return `${(Math.max(ms, 100) / 1000).toFixed(1)} s`;
}

/**
 * What the caller should know of the ears at the far end before speaking; empty: nothing.
 * @param {Pick<Catalog, "live" | "languages">} catalog
 * @param {string | null | undefined} code  the language of the call
 */
export function hearingNote({ live, languages }, code) {
  if (live !== "local" || !code || /^en\b/i.test(code)) return "";
  const name = languages.find((each) => each.code === code)?.name ?? code;
  return `The local model speaks ${name.replace(/ \(.*/, "")}, but understands English only.`;
}

/** @param {Catalog["live"]} live */
export function farEnd(live) {
  /** @type {Record<string, {label: string, title: string}>} */
  const names = {
    local: {
      label: "Local model",
      title:
        "A small stand-in on this machine answers. It understands English only. " +
        "No key and no network needed.",
    },
    dev: { label: "Gemini API", title: "The Gemini Live API answers." },
    vertex: { label: "Vertex AI", title: "The Gemini Live API on Vertex AI answers." },
  };
  return names[live] ?? { label: "Live service", title: "A service of the operator answers." };
}

/** @type {Record<string, Partial<Advice>>} */
const ENDS = {
  hangup: { title: "Call ended" },
  not_connected: {
    title: "No connection for sound",
    text: "The gateway answered, but no audio path to it was found.",
    steps: [
      "Check that a VPN or firewall does not block UDP.",
      "On another network, try again: some guest networks allow web pages only.",
    ],
  },
  peer_lost: {
    title: "The connection was lost",
    text: "The network went away and did not come back in time.",
  },
  idle: { title: "Ended after a long silence", text: "Nobody had spoken for a while." },
  limit: {
    title: "The time limit was reached",
    text: "Calls on this gateway have a longest time.",
  },
  live_refused: {
    title: "The model could not be reached",
    text: "The gateway is fine, but the service behind it did not open a session.",
  },
  live_lost: {
    title: "The model hung up",
    text: "The service behind the gateway closed the session.",
  },
  shutdown: { title: "The gateway is restarting", text: "Give it a few seconds, then call again." },
  bug: { title: "Something broke", text: "That should not have happened. Trying again may help." },
  unreachable: {
    title: "The gateway does not answer",
    text: "Is it still running, and is this device on the same network?",
  },
  bad_answer: {
    title: "The gateway’s answer made no sense",
    text: "Perhaps something between this page and the gateway answered instead of it.",
  },
  no_webrtc: {
    title: "This browser cannot make calls",
    text: "WebRTC is missing or switched off here. A current Chrome, Edge, Firefox or Safari can.",
  },
};

/**
 * Why a live session was not opened, by the code of the `error` before the end, whose message
 * says more. A used-up quota has no code of its own.
 * @type {Record<string, Partial<Advice>>}
 */
const REFUSALS = {
  live_unauthorized: {
    title: "The service refused the key",
    steps: [
      "Where the gateway runs, check GEMINI_API_KEY, or the Google Cloud credentials on Vertex AI.",
    ],
  },
  live_refused: { title: "The service refused the model", steps: ["Choose other settings."] },
  live_unreachable: {
    title: "The service cannot be reached",
    steps: ["Check the network of the machine the gateway runs on, then try again."],
  },
  quota: {
    title: "The quota is used up",
    steps: ["Wait for it to renew, or look at the plan and billing of the key’s project."],
  },
};

/** What to do about a problem document, by its code; its own `detail` says what is wrong. */
/** @type {Record<string, Partial<Advice>>} */
const PROBLEMS = {
  too_many_calls: {
    title: "All lines are busy",
    steps: ["Wait for a moment, then try again."],
  },
  draining: { title: "The gateway is restarting", steps: ["Try again in a few seconds."] },
  foreign_host: {
    title: "The gateway does not know this address",
    steps: ["Open the page at the address the gateway printed when it started."],
  },
  foreign_origin: {
    title: "The gateway does not take calls from this page",
    steps: ["Open the gateway’s own page, or start it with --origins and this page’s address."],
  },
  unknown_model: { title: "This model is not there", steps: ["Choose another model."] },
  unknown_voice: { title: "This voice is not there", steps: ["Choose another voice."] },
  unknown_language: { title: "This language is not there", steps: ["Choose another language."] },
};

/**
 * @param {End} end
 * @param {string} [lastError]  the message of the fatal `error` before it
 * @param {string} [code]  and its code
 * @returns {Advice}
 */
export function explainEnd({ reason, message, problem }, lastError = "", code = "") {
  if (problem) {
    const known = PROBLEMS[problem.code] ?? {};
    return advice({ title: "The gateway refused the call", text: problem.detail, ...known });
  }
  const known = ENDS[reason] ?? { title: "Call ended", text: `The gateway gave “${reason}”.` };
  // The browser's own texts ("Failed to fetch") help nobody; the gateway's sentences do.
  const isGateways = !["unreachable", "bad_answer", "no_webrtc", "hangup"].includes(reason);
  const said = [lastError, isGateways ? message : ""].find((text) => text.trim());
  const kind = /\bquota\b/i.test(lastError) ? "quota" : reason === "live_refused" ? code : "";
  return advice({ ...known, ...REFUSALS[kind], text: shown(said ?? known.text ?? "") });
}

/**
 * A message as it is shown. The service's own reason stands at its end, in brackets, after the code
 * of the close; a close has room for 123 bytes, and what filled them was longer.
 * @param {string} message
 */
function shown(message) {
  const reason = /\(\d{4}: (.*)\)$/s.exec(message)?.[1] ?? "";
  const isCut = new TextEncoder().encode(reason).length >= 120 && !/[.!?…]$/.test(reason);
  return isCut ? `${message.slice(0, -1)}…)` : message;
}

/**
 * Why there is no microphone, and how to get one here.
 * @param {unknown} error  what `getUserMedia` rejected with
 * @param {Situation} situation
 * @returns {Advice}
 */
export function explainMicrophone(error, situation) {
  /** @type {Action[]} */
  const actions = ["retry", "type"];
  const name = error instanceof Error ? error.name : "";
  const text = error instanceof Error ? error.message : "";
  if (!situation.isSecure) {
    return advice({
      title: "The microphone needs https",
      text:
        `Browsers give the microphone only to secure pages, and ${situation.host} came over ` +
        "plain http. A phone always needs https.",
      steps: [
        "On the machine the gateway runs on, open http://localhost and its port instead.",
        "For other devices, start the gateway with --tls-cert and --tls-key, or put it behind " +
          "a proxy with a certificate, and open the https address.",
      ],
      actions: ["type"],
    });
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return advice({
      title: "No microphone found",
      text: "This device has none, or it is switched off.",
      steps: ["Plug one in or switch it on, then try again."],
      actions,
    });
  }
  if (name === "NotReadableError" || name === "AbortError") {
    return advice({
      title: "The microphone does not start",
      text: "Another program may be using it, or it has stopped working.",
      steps: ["Close other calls and recorders, or plug it in again.", "Then try again."],
      actions,
    });
  }
  if (name === "NotAllowedError" || name === "SecurityError") {
    return advice({ ...refusal(text, situation), actions });
  }
  return advice({
    title: "The microphone does not work",
    text: text || "The browser did not say why.",
    actions,
  });
}

/** @param {string} text @param {Situation} situation @returns {Partial<Advice>} */
function refusal(text, { isFramed, permission, userAgent }) {
  if (/system/i.test(text)) {
    return {
      title: "The system blocks the microphone",
      text: "The browser may use it, but this device does not let the browser.",
      steps: [systemSettings(userAgent), "Then come back and try again."],
    };
  }
  if (isFramed && permission !== "granted") {
    return {
      title: "The surrounding page blocks the microphone",
      text: "This page is shown inside another one, which did not pass the microphone on.",
      steps: ["Open livegate in a tab of its own."],
    };
  }
  if (permission === "prompt") {
    return {
      title: "The question was left unanswered",
      text: "The browser asked for the microphone and got no yes.",
      steps: ["Try again and choose Allow."],
    };
  }
  return {
    title: "The microphone is blocked",
    text: "It was refused for this page, now or on an earlier visit.",
    steps: [...siteSettings(userAgent), "Then try again."],
  };
}

/** @param {string} userAgent @returns {string[]} */
function siteSettings(userAgent) {
  const isPhone = /Android|iPhone|iPad/.test(userAgent);
  if (/iPhone|iPad/.test(userAgent)) {
    return [
      "Tap the page menu beside the address, then Website Settings, Microphone, Allow.",
      "If it is not there: Settings, Apps, your browser, Microphone.",
    ];
  }
  if (/Firefox/.test(userAgent)) {
    return isPhone
      ? ["Tap the lock beside the address, then Microphone, and allow it."]
      : ["Click the crossed-out microphone beside the address and remove the block."];
  }
  if (/Chrome|Edg/.test(userAgent)) {
    return isPhone
      ? ["Tap the icon before the address, then Permissions, Microphone, Allow."]
      : ["Click the icon before the address and switch Microphone on."];
  }
  return ["Choose Safari, Settings for This Website, Microphone, Allow."];
}

/** @param {string} userAgent */
function systemSettings(userAgent) {
  if (/Macintosh/.test(userAgent)) {
    return "Open System Settings, Privacy & Security, Microphone, and switch your browser on.";
  }
  if (/Windows/.test(userAgent)) {
    return "Open Settings, Privacy & security, Microphone, and let desktop apps use it.";
  }
  if (/Android/.test(userAgent)) {
    return "Open Settings, Apps, your browser, Permissions, and allow the microphone.";
  }
  return "Open the device’s settings for privacy and let the browser use the microphone.";
}

/** @param {Partial<Advice>} some @returns {Advice} */
function advice(some) {
  return { title: "", text: "", steps: [], actions: ["retry"], ...some };
}
