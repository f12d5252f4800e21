/**
 * The picture of a call: a gate of arches that both voices pass through.
 *
 * The model's voice goes outward, the caller's inward: the arch on the side a voice comes from
 * follows its level, each further arch follows the one before a little later. Waves, spectrum and
 * light come from the real levels; at rest the gate only breathes. Draws on the canvas it is given.
 */

/** @import { CallState } from "./call.js" */

/**
 * @typedef {CallState | "asking" | "refused"} GateState  also before a call: the browser's question
 *   about the microphone, and a no
 *
 * @typedef {object} Voice
 * @property {number} level  0 to 1
 * @property {Float32Array} bands  0 to 1, low to high
 *
 * @typedef {object} Palette  CSS colours
 * @property {string} line
 * @property {string} caller
 * @property {string} model
 */

export const BANDS = 10;

const CENTRE = 0.72; // of the height: where the button stands, see `.call` in style.css
const ARCHES = 8;
const SWELL = 1.2; // how far a loud voice pushes an arch, in gaps between two
const MARGIN = 4;
const FOLLOW_MS = 42; // from one arch to the next
const ATTACK_MS = 35;
const RELEASE_MS = 160;
const STEPS = 36; // points on half an arch

export class Gate {
  #canvas;
  #pen;
  #width = 0;
  #height = 0;
  #drawnAt = 0;
  /** @type {Palette} */
  palette = { line: "#888", caller: "#888", model: "#888" };
  /** Without movement: levels show as light alone. */
  calm = false;

  #caller = new Float32Array(ARCHES);
  #model = new Float32Array(ARCHES);
  #callerBands = new Float32Array(BANDS);
  #modelBands = new Float32Array(BANDS);
  #wake = 0; // 0: at rest, 1: in a call

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
  }

  /** @param {number} width @param {number} height  in CSS pixels @param {number} ratio */
  resize(width, height, ratio) {
    this.#width = width;
    this.#height = height;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    this.#pen?.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /**
   * @param {number} now  in ms
   * @param {GateState} state
   * @param {Voice} caller
   * @param {Voice} model
   * @param {number} opening  the radius in CSS pixels that stays free for the button
   */
  draw(now, state, caller, model, opening) {
    const pen = this.#pen;
    if (!pen || this.#width === 0) return;
    const dt = Math.min(100, Math.max(1, now - this.#drawnAt));
    this.#drawnAt = now;
    this.#follow(dt, state, caller, model);

    const centre = this.#height * CENTRE;
    const room = Math.min(this.#width / 2, centre) - MARGIN - opening;
    const gap = room / (ARCHES - 1 + SWELL * 1.3);
    pen.clearRect(0, 0, this.#width, this.#height);
    pen.lineCap = "round";
    pen.lineJoin = "round";

    const step = gap < 3 ? 4 : gap < 6 ? 2 : 1; // a small gate has fewer arches, not thinner air
    for (let i = ARCHES - 1; i >= 0; i -= step) {
      const radius = opening + i * gap;
      const said = this.#model[i] ?? 0;
      const heard = this.#caller[i] ?? 0;
      const swell = this.calm ? 0 : gap * SWELL;
      const light = this.#rest(now, state, i);

      this.#trace(pen, radius, centre, (u) => this.#shape(now, u, i, said, heard) * swell);
      pen.lineWidth = 1.25;
      pen.globalAlpha = 1;
      pen.strokeStyle = this.palette.line;
      pen.stroke();
      this.#glow(pen, this.palette.model, Math.max(said, light), 1.5 + 2.5 * said);
      this.#glow(pen, this.palette.caller, heard * (1 - 0.7 * said), 1.5 + 2.5 * heard);
    }
    pen.globalAlpha = 1;
  }

  /** @param {number} dt @param {GateState} state @param {Voice} caller @param {Voice} model */
  #follow(dt, state, caller, model) {
    const inCall = !["new", "ended", "asking", "refused"].includes(state);
    this.#wake += ((inCall ? 1 : 0) - this.#wake) * (1 - Math.exp(-dt / 300));
    const next = 1 - Math.exp(-dt / FOLLOW_MS);
    const last = ARCHES - 1;
    for (let i = last; i > 0; i--) {
      this.#model[i] = mix(this.#model[i], this.#model[i - 1], next);
      this.#caller[last - i] = mix(this.#caller[last - i], this.#caller[last - i + 1], next);
    }
    this.#model[0] = smooth(this.#model[0] ?? 0, model.level, dt);
    this.#caller[last] = smooth(this.#caller[last] ?? 0, caller.level, dt);
    for (let i = 0; i < BANDS; i++) {
      this.#modelBands[i] = smooth(this.#modelBands[i] ?? 0, model.bands[i] ?? 0, dt);
      this.#callerBands[i] = smooth(this.#callerBands[i] ?? 0, caller.bands[i] ?? 0, dt);
    }
  }

  /**
   * How much of the accent an arch shows when nobody speaks.
   * @param {number} now
   * @param {GateState} state
   * @param {number} i
   */
  #rest(now, state, i) {
    const depth = i / (ARCHES - 1);
    const still = this.calm;
    switch (state) {
      case "connecting":
      case "asking":
      case "reconnecting": // light after light, from the button outward
        return still ? 0.3 : 0.55 * peak(now / 1400 - depth * 0.8);
      case "thinking": // to and fro
        return still ? 0.4 : 0.5 * peak(triangle(now / 1800) - depth * 0.75);
      case "listening":
      case "speaking":
        return still ? 0.12 : 0.08 + 0.1 * peak(now / 5200 + depth * 0.4);
      case "refused":
      case "ended":
        return 0;
      default:
        return still ? 0.25 : (0.12 + 0.26 * peak(now / 5200 - depth * 0.5)) * (1 - depth * 0.5);
    }
  }

  /**
   * The displacement of arch `i`, outward positive, in gaps.
   * @param {number} now
   * @param {number} u  0 at the crown, 1 at the feet
   * @param {number} i
   * @param {number} said @param {number} heard
   */
  #shape(now, u, i, said, heard) {
    const place = Math.min(BANDS - 1, u * (BANDS - 1));
    const low = Math.floor(place);
    const ease = 0.5 - 0.5 * Math.cos(Math.PI * (place - low)); // no corner at a band's edge
    const between = (/** @type {Float32Array} */ bands) =>
      mix(bands[low], bands[Math.min(BANDS - 1, low + 1)], ease);
    const fade = 1 - u * u;
    // Level at the crown, so that the two halves meet without a point.
    const ripple = 0.2 * Math.sin(8 * u * u - now / 190) * Math.max(said, heard);
    const wave = 0.3 + 0.7 * between(this.#modelBands);
    const swallow = 0.3 + 0.7 * between(this.#callerBands);
    return fade * (said * wave * (0.5 + i * 0.1) - heard * swallow * (1.2 - i * 0.09) + ripple);
  }

  /**
   * Lays the path of one arch: up the left leg, over the crown, down the right.
   * @param {CanvasRenderingContext2D} pen
   * @param {number} radius @param {number} centre
   * @param {(u: number) => number} push
   */
  #trace(pen, radius, centre, push) {
    const x = this.#width / 2;
    const leg = Math.max(0, this.#height - centre);
    const half = (Math.PI / 2) * radius;
    const length = half + leg;
    pen.beginPath();
    for (let step = -STEPS; step <= STEPS; step++) {
      const u = Math.abs(step) / STEPS;
      const side = Math.sign(step);
      const along = u * length;
      const reach = radius + push(u);
      if (along <= half) {
        const angle = (side * along) / radius;
        pen.lineTo(x + reach * Math.sin(angle), centre - reach * Math.cos(angle));
      } else {
        pen.lineTo(x + side * reach, centre + along - half);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {string} colour @param {number} alpha @param {number} width */
  #glow(pen, colour, alpha, width) {
    if (alpha < 0.02) return;
    pen.globalAlpha = Math.min(1, alpha);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}

/** Fast up, slow down. @param {number} from @param {number} to @param {number} dt */
function smooth(from, to, dt) {
  return mix(from, to, 1 - Math.exp(-dt / (to > from ? ATTACK_MS : RELEASE_MS)));
}

/** @param {number | undefined} a @param {number | undefined} b @param {number} t */
function mix(a = 0, b = 0, t) {
  return a + (b - a) * t;
}

/** A soft pulse once in each whole number. @param {number} phase */
function peak(phase) {
  return (0.5 + 0.5 * Math.cos(2 * Math.PI * phase)) ** 2;
}

/** 0 to 1 and back in each whole number. @param {number} phase */
function triangle(phase) {
  return 1 - Math.abs(1 - 2 * (phase - Math.floor(phase)));
}
