/** Puts the page together: gives calls the browser's parts, and the page its calls. */

import { Call } from "./call.js";
import { modelsUrl, Refusal, readCatalog, readProblem } from "./protocol.js";
import { Ui } from "./ui.js";

const base = document.baseURI;

/** @type {import("./call.js").World} */
const world = {
  base,
  fetch: (url, init) => fetch(url, init),
  sendBeacon: (url) => navigator.sendBeacon(url),
  createPeer: (configuration) => new RTCPeerConnection(configuration),
  createStream: (track) => new MediaStream([track]),
  page: window,
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

const ui = new Ui({
  createCall: () => new Call(world),
  canRecord: isSecureContext && navigator.mediaDevices !== undefined,
  async fetchCatalog() {
    const response = await fetch(modelsUrl(base), { headers: { Accept: "application/json" } });
    const body = await response.text();
    if (!response.ok) throw new Refusal(readProblem(response.status, body));
    return readCatalog(JSON.parse(body));
  },
  async situation() {
    const name = /** @type {PermissionName} */ ("microphone");
    const status = await navigator.permissions?.query({ name }).catch(() => null);
    return {
      isSecure: isSecureContext,
      isFramed: window !== window.top,
      permission: status?.state ?? "unknown",
      userAgent: navigator.userAgent,
      host: location.host,
    };
  },
});

/** For the console and for tests that drive the page; the page itself does not read it. */
const handle = Object.freeze({
  /** The newest call, or null. Its `remoteStream` is what the model says. */
  get call() {
    return ui.call;
  },
  get microphone() {
    return ui.microphone;
  },
  get conversation() {
    return ui.conversation;
  },
});
Object.defineProperty(window, "livegate", { value: handle });
