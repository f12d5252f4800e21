/**
 * Sound in and out: the microphone, the element that plays the model, and meters on both.
 *
 * Nothing here may hold up a call. A browser without a sound device keeps an AudioContext suspended
 * for ever and never settles `resume()` or `play()`: both are waited for with a time limit, and a
 * meter on a sleeping context reads silence.
 */

export const RESUME_MS = 1_000;
export const PLAY_MS = 3_000;

const FLOOR_DB = -60;
const CEILING_DB = -12;

/** @type {MediaStreamConstraints} */
export const MICROPHONE = {
  audio: {
    echoCancellation: true, // otherwise the model hears itself and interrupts itself
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: { ideal: 1 },
  },
};

/**
 * Asks for the microphone. May take as long as the caller thinks about the browser's question.
 * Rejects as `getUserMedia` does; `TypeError` where the browser has no such thing (a page that
 * did not come over https).
 * @param {MediaDevices | undefined} devices
 */
export async function openMicrophone(devices) {
  if (!devices?.getUserMedia) throw new TypeError("this page has no access to media devices");
  return new Microphone(await devices.getUserMedia(MICROPHONE));
}

export class Microphone {
  /** @param {MediaStream} stream */
  constructor(stream) {
    const track = stream.getAudioTracks()[0];
    if (!track) throw new DOMException("no audio track", "NotFoundError");
    this.stream = stream;
    this.track = track;
  }

  /** Muted, the track goes on and carries silence. */
  get muted() {
    return !this.track.enabled;
  }

  set muted(muted) {
    this.track.enabled = !muted;
  }

  /** It was unplugged, or taken away in the browser's settings. @param {() => void} listener */
  onLost(listener) {
    this.track.addEventListener("ended", listener, { once: true });
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}

export class Sound {
  /** @type {AudioContext | null} */
  #context = null;
  #createContext;
  #element;

  /**
   * @param {HTMLAudioElement} element  plays the model
   * @param {() => AudioContext} createContext
   */
  constructor(element, createContext = () => new AudioContext({ latencyHint: "interactive" })) {
    this.#element = element;
    this.#createContext = createContext;
  }

  /**
   * To be called in the click that starts a call: browsers let a page sound only after a gesture.
   * @returns {Promise<boolean>}  are the meters awake
   */
  async unlock() {
    try {
      this.#context ??= this.#createContext();
      if (this.#context.state !== "running") await within(RESUME_MS, this.#context.resume());
    } catch {
      return false; // no WebAudio, or no device: a call needs neither
    }
    return this.#context.state === "running";
  }

  /**
   * Plays what the model says.
   * @param {MediaStream} stream
   * @returns {Promise<"playing" | "blocked" | "waiting">}  `blocked`: only a gesture helps;
   *   `waiting`: nothing has arrived yet
   */
  async play(stream) {
    if (this.#element.srcObject !== stream) this.#element.srcObject = stream;
    try {
      return (await within(PLAY_MS, this.#element.play())) ? "playing" : "waiting";
    } catch (error) {
      return error instanceof Error && error.name === "NotAllowedError" ? "blocked" : "waiting";
    }
  }

  /** Until the next `unlock`: a context that runs keeps the sound device awake. */
  stop() {
    this.#element.pause();
    this.#element.srcObject = null;
    this.#context?.suspend().catch(() => {});
  }

  /** @param {MediaStream} stream */
  meter(stream) {
    try {
      return this.#context ? new Meter(this.#context, stream) : null;
    } catch {
      return null;
    }
  }

  /** A phone suspends the context while another application has the sound. */
  wake() {
    if (this.#context && this.#context.state !== "running") this.unlock();
  }
}

/** How loud a stream is, and where in the spectrum, at the moment it is asked. */
export class Meter {
  #source;
  #analyser;
  #samples;
  #spectrum;

  /** @param {AudioContext} context @param {MediaStream} stream */
  constructor(context, stream) {
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#analyser.smoothingTimeConstant = 0.6;
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser); // and to nothing else: a meter is not heard
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#spectrum = new Uint8Array(this.#analyser.frequencyBinCount);
  }

  /** 0 (silence) to 1 (loud speech), even in decibels. */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return loudness(this.#samples);
  }

  /**
   * The speech range, low to high, 0 to 1 each.
   * @param {Float32Array} bands  filled and returned
   */
  bands(bands) {
    this.#analyser.getByteFrequencyData(this.#spectrum);
    const spectrum = this.#spectrum;
    const binHz = this.#analyser.context.sampleRate / this.#analyser.fftSize;
    for (let i = 0; i < bands.length; i++) {
      const from = Math.floor(edge(i / bands.length) / binHz);
      const to = Math.max(from + 1, Math.ceil(edge((i + 1) / bands.length) / binHz));
      let sum = 0;
      for (let bin = from; bin < to; bin++) sum += spectrum[bin] ?? 0;
      bands[i] = sum / (to - from) / 255;
    }
    return bands;
  }

  close() {
    this.#source.disconnect();
  }
}

/** The frequency at a share of the speech range, 100 to 6,000 Hz. @param {number} share */
function edge(share) {
  return 100 * 60 ** share;
}

/** @param {Float32Array} samples  -1 to 1 */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
}

/**
 * @param {number} ms
 * @param {Promise<unknown>} promise
 * @returns {Promise<boolean>}  false: not settled in time
 */
export function within(ms, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), ms);
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  });
}
