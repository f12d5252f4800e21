/**
 * Everything on the page that moves: the gate, the two level bars and the clock of the call.
 *
 * One loop of animation frames reads the meters as they are at that moment; out of a call it runs
 * slowly, and a hidden page not at all.
 */

import { BANDS, Gate } from "./gate.js";
import { write } from "./views.js";

/** @import { Meter } from "./audio.js" */
/** @import { GateState } from "./gate.js" */

/**
 * @typedef {object} StageElements
 * @property {HTMLCanvasElement} gate
 * @property {HTMLButtonElement} call  stands in the opening of the gate
 * @property {HTMLElement} barCaller
 * @property {HTMLElement} barModel
 * @property {HTMLMeterElement} meterCaller
 * @property {HTMLMeterElement} meterModel
 * @property {HTMLElement} elapsed
 */

const REST_FRAME_MS = 45;
const BESIDE_BUTTON_PX = 14;

export class Stage {
  /** @type {GateState} */
  state = "new";
  isOpen = false;
  /** When the call was ready, on the clock of `performance.now()`; 0 before. */
  since = 0;

  #on;
  #gate;
  #caller = new Voice();
  #model = new Voice();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #drawnAt = 0;
  #second = -1;

  /** @param {StageElements} elements */
  constructor(elements) {
    this.#on = elements;
    this.#gate = new Gate(elements.gate);
    new ResizeObserver(() => this.#resize()).observe(elements.gate);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#restyle());
    this.#restyle();
    requestAnimationFrame(this.#frame);
  }

  /** @param {Meter | null} meter  the one before is closed */
  set callerMeter(meter) {
    this.#caller.listenTo(meter);
  }

  /** @param {Meter | null} meter */
  set modelMeter(meter) {
    this.#model.listenTo(meter);
  }

  /** @param {number} now */
  #frame = (now) => {
    requestAnimationFrame(this.#frame);
    if (!this.isOpen && now - this.#drawnAt < REST_FRAME_MS) return;
    this.#drawnAt = now;
    this.#caller.measure();
    this.#model.measure();
    this.#gate.calm = this.#calm.matches;
    const opening = this.#on.call.offsetWidth / 2 + BESIDE_BUTTON_PX;
    this.#gate.draw(now, this.state, this.#caller, this.#model, opening);
    if (this.isOpen) this.#showLevels(now);
  };

  /** @param {number} now */
  #showLevels(now) {
    const { barCaller, barModel, meterCaller, meterModel, elapsed } = this.#on;
    barCaller.style.setProperty("--level", this.#caller.level.toFixed(3));
    barModel.style.setProperty("--level", this.#model.level.toFixed(3));
    const second = Math.floor((now - this.since) / 1000);
    if (second === this.#second) return;
    this.#second = second; // what a screen reader may read changes no faster
    write(elapsed, this.since ? clock(now - this.since) : clock(0));
    meterCaller.value = Math.round(this.#caller.level * 100);
    meterModel.value = Math.round(this.#model.level * 100);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#on.gate;
    this.#gate.resize(clientWidth, clientHeight, Math.min(devicePixelRatio || 1, 3));
    this.#drawnAt = 0;
  }

  #restyle() {
    const style = getComputedStyle(this.#on.gate);
    this.#gate.palette = {
      line: style.getPropertyValue("--arch").trim(),
      caller: style.getPropertyValue("--caller-light").trim(),
      model: style.getPropertyValue("--model-light").trim(),
    };
  }
}

/** The newest measure of one side. */
class Voice {
  level = 0;
  bands = new Float32Array(BANDS);
  /** @type {Meter | null} */
  #meter = null;

  /** @param {Meter | null} meter */
  listenTo(meter) {
    this.#meter?.close();
    this.#meter = meter;
  }

  measure() {
    this.level = this.#meter?.level() ?? 0;
    if (this.#meter) this.#meter.bands(this.bands);
    else this.bands.fill(0);
  }
}

/** @param {number} ms */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
