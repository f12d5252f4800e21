/**
 * The page: shows a call, and turns clicks and keys into what a call can do.
 *
 * The only file that reaches for the document. It keeps no state of the call itself: every event
 * ends in `#render`, which writes the whole page from the call.
 */

import { openMicrophone, Sound } from "./audio.js";
import { Conversation } from "./conversation.js";
import { Refusal } from "./protocol.js";
import { ChoiceView } from "./settings.js";
import { clock, Stage } from "./stage.js";
import { make, NoticeView, QualityView, TranscriptView, write } from "./views.js";
import { explainEnd, explainMicrophone, farEnd, hearingNote, STATE_WORDS } from "./words.js";

/** @import { Microphone } from "./audio.js" */
/** @import { Call, End } from "./call.js" */
/** @import { Catalog, GatewayEvent } from "./protocol.js" */
/** @import { Advice, Situation } from "./words.js" */

/**
 * @typedef {object} Surroundings  What the page needs besides its document.
 * @property {() => Call} createCall
 * @property {() => Promise<Catalog>} fetchCatalog  rejects with `Refusal` if the gateway said why
 * @property {() => Promise<Situation>} situation  asked when a microphone was refused
 * @property {boolean} canRecord  could this page ask for a microphone at all
 */

const DOUBLE_CLICK_MS = 600; // the second half of a double click does not hang up
const WORDS_MS = 3_000; // from the end of speech; words that come later still find their place

export class Ui {
  /** @type {Call | null} the newest call, open or ended */
  call = null;
  /** @type {Microphone | null} */
  microphone = null;
  conversation = new Conversation();

  #surroundings;
  #page = elements();
  #sound = new Sound(this.#page.audio);
  #stage = new Stage(this.#page);
  #notice = new NoticeView(this.#page.notice, this.#page.call);
  #transcript = new TranscriptView(this.#page.log, this.#page.entry, this.#page.scroll);
  #choices = new ChoiceView(
    { model: this.#page.model, voice: this.#page.voice, language: this.#page.language },
    storage(),
  );
  #quality = new QualityView(this.#page.quality, this.#page.qualityWord, this.#page.qualityList);
  /** @type {Catalog | null} */
  #catalog = null;
  #isAsking = false;
  #isRefused = false;
  #isHearing = false;
  #canType = true;
  #lastError = "";
  #lastCode = "";
  /** @type {string | null} of the open call */
  #language = null;
  #attempts = 0;
  #startedAt = 0;
  #length = "";
  /** @type {WakeLockSentinel | null} */
  #wakeLock = null;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#surroundings = surroundings;
    this.#listen();
    this.#render();
    this.#loadCatalog();
    if (!surroundings.canRecord) this.#explainMicrophone(null);
  }

  // ---- what the caller does --------------------------------------------------------------------

  #listen() {
    const page = this.#page;
    page.call.addEventListener("click", () => this.#press());
    page.mute.addEventListener("click", () => this.#toggleMute());
    page.interrupt.addEventListener("click", () => this.call?.interrupt());
    page.unblock.addEventListener("click", () => this.#playModel());
    page.composer.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#say(page.text.value)) page.text.value = "";
      this.#growText();
    });
    page.settings.addEventListener("change", () => this.#render());
    page.text.addEventListener("input", () => this.#growText());
    page.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      page.composer.requestSubmit();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      if (page.quality.open) page.quality.open = false;
      else if (this.call?.state === "speaking") this.call.interrupt();
    });
    document.addEventListener("click", ({ target }) => {
      if (!page.quality.contains(/** @type {Node} */ (target))) page.quality.open = false;
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.#sound.wake();
      this.#keepAwake();
    });
  }

  #press() {
    if (!this.#isBusy()) this.#start();
    else if (performance.now() - this.#startedAt > DOUBLE_CLICK_MS) this.#stop();
  }

  /** Asks for the microphone, then calls. @param {{byTyping?: boolean}} [how] */
  async #start({ byTyping = false } = {}) {
    const attempt = ++this.#attempts;
    this.#startedAt = performance.now();
    this.#isRefused = false;
    this.#notice.hide();
    this.#sound.unlock();
    let microphone = null;
    if (!byTyping) {
      this.#isAsking = true;
      this.#render();
      try {
        microphone = await openMicrophone(navigator.mediaDevices);
      } catch (error) {
        if (attempt !== this.#attempts) return;
        this.#isAsking = false;
        this.#isRefused = true;
        this.#render();
        this.#explainMicrophone(error);
        return;
      }
      if (attempt !== this.#attempts) return microphone.close(); // thought better of it meanwhile
      this.#isAsking = false;
    }
    this.#open(microphone);
  }

  #stop() {
    this.#attempts++;
    this.#isAsking = false;
    this.call?.close();
    this.#render();
  }

  #toggleMute() {
    if (!this.microphone) return;
    this.microphone.muted = !this.microphone.muted;
    this.#render();
  }

  /** @param {string} text @returns {boolean} */
  #say(text) {
    try {
      if (!text.trim() || !this.call?.sendText(text)) return false;
    } catch {
      this.#tell("That is too long for one message. Send it in parts.");
      return false;
    }
    this.conversation.type(text.trim());
    this.#showConversation();
    this.#page.scroll.scrollTop = this.#page.scroll.scrollHeight;
    return true;
  }

  // ---- a call ----------------------------------------------------------------------------------

  /** @param {Microphone | null} microphone */
  #open(microphone) {
    const call = this.#surroundings.createCall();
    this.call = call;
    this.conversation = new Conversation();
    this.#transcript.clear();
    this.#lastError = this.#lastCode = "";
    this.#language = this.#chosenLanguage();
    this.#isHearing = false;
    this.#stage.since = 0;
    this.#length = "";
    this.#attach(microphone);

    call.on("state", ({ previous }) => {
      this.#render();
      if (previous === "connecting" && !this.microphone) this.#page.text.focus();
    });
    call.on("event", (event) => this.#receive(event));
    call.on("quality", (quality) => this.#quality.show(quality));
    call.on("stream", (stream) => {
      this.#stage.modelMeter = this.#sound.meter(stream);
      this.#playModel();
    });
    call.on("ended", (end) => this.#finish(end));
    call.start({ microphone: microphone?.stream ?? null, choice: this.#choices.value });
    this.#keepAwake();
    this.#render();
  }

  /** @param {Microphone | null} microphone */
  #attach(microphone) {
    this.microphone?.close();
    this.microphone = microphone;
    this.#stage.callerMeter = microphone && this.#sound.meter(microphone.stream);
    microphone?.onLost(() => {
      if (this.microphone === microphone && this.#isBusy()) this.#explainLostMicrophone();
    });
  }

  /** @param {GatewayEvent} event */
  #receive(event) {
    if (event.type === "call.ready") {
      this.#stage.since ||= performance.now();
      this.#language = event.language;
      const known = this.#catalog?.languages.find(({ code }) => code === event.language);
      const parts = [event.model, event.voice, known?.name ?? event.language];
      write(this.#page.config, parts.filter(Boolean).join(" · "));
      const abilities = this.#catalog?.models.find(({ id }) => id === event.model)?.capabilities;
      this.#canType = !abilities?.length || abilities.includes("text_in");
    }
    if (event.type === "speech.started" || event.type === "speech.stopped") {
      this.#isHearing = event.type === "speech.started";
      this.#render();
    }
    if (event.type === "speech.stopped") this.#awaitWords(event.turn);
    if (event.type === "error" && event.fatal) {
      this.#lastError = event.message;
      this.#lastCode = event.code;
    } else if (event.type === "error" || event.type === "warning") this.#tell(event.message);
    if (this.conversation.receive(event)) this.#showConversation();
  }

  /** Speech without words is shown as such. @param {number} turn */
  #awaitWords(turn) {
    const { conversation } = this;
    setTimeout(() => {
      if (conversation !== this.conversation || !conversation.giveUp(turn)) return;
      this.#showConversation();
    }, WORDS_MS);
  }

  /** @param {End} end */
  #finish(end) {
    const { since } = this.#stage;
    const length = since && performance.now() - since;
    if (length > 1000 && end.reason === "hangup") this.#length = clock(length);
    this.#attach(null);
    this.#stage.modelMeter = null;
    this.#sound.stop();
    this.#wakeLock?.release();
    this.#wakeLock = null;
    this.conversation.close();
    this.#showConversation();
    this.#render();
    if (end.reason === "hangup") return;
    this.#advise(explainEnd(end, this.#lastError, this.#lastCode), { retry: () => this.#start() });
  }

  async #playModel() {
    const stream = this.call?.remoteStream;
    if (!stream) return;
    this.#page.unblock.hidden = (await this.#sound.play(stream)) !== "blocked";
  }

  /** A phone that dims its screen would stop the call. */
  async #keepAwake() {
    if (!this.#isBusy() || this.#wakeLock || !("wakeLock" in navigator)) return;
    try {
      const lock = await navigator.wakeLock.request("screen");
      if (!this.#isBusy()) return lock.release();
      this.#wakeLock = lock;
      lock.addEventListener("release", () => {
        this.#wakeLock = null;
      });
    } catch {
      // Not allowed now (low battery, page hidden): the call goes on.
    }
  }

  // ---- words -----------------------------------------------------------------------------------

  /** @param {unknown} error */
  async #explainMicrophone(error) {
    const attempt = this.#attempts;
    const situation = await this.#surroundings.situation();
    if (attempt !== this.#attempts) return;
    this.#advise(explainMicrophone(error, situation), {
      retry: () => this.#start(),
      type: () => this.#start({ byTyping: true }),
    });
  }

  #explainLostMicrophone() {
    const replace = async () => {
      this.#notice.hide();
      try {
        const microphone = await openMicrophone(navigator.mediaDevices);
        if (!this.#isBusy()) return microphone.close();
        microphone.muted = this.microphone?.muted ?? false;
        this.#attach(microphone);
        await this.call?.replaceTrack(microphone.track);
        this.#render();
      } catch (error) {
        this.#explainMicrophone(error);
      }
    };
    const text = "It was unplugged or switched off. The call goes on; you can type meanwhile.";
    this.#advise(
      { title: "The microphone is gone", text, steps: [], actions: ["retry"] },
      { retry: replace },
    );
  }

  /** Something to know, in mid-call. @param {string} text */
  #tell(text) {
    this.#notice.show({ title: "", text, steps: [], actions: [] }, {}, "news");
  }

  /** @param {Advice} advice @param {Parameters<NoticeView["show"]>[1]} act */
  #advise(advice, act) {
    this.#notice.show(advice, act);
    this.#page.notice.scrollIntoView({ block: "nearest" });
  }

  async #loadCatalog() {
    try {
      this.#catalog = await this.#surroundings.fetchCatalog();
    } catch (error) {
      const problem = error instanceof Refusal ? error.problem : null;
      const end = { reason: "unreachable", message: "", problem };
      const again = () => {
        this.#notice.hide();
        this.#loadCatalog();
      };
      if (!this.#isBusy()) this.#advise(explainEnd(end), { retry: again });
      return;
    }
    const { live, phrases } = this.#catalog;
    this.#choices.fill(this.#catalog);
    const { label, title } = farEnd(live);
    write(this.#page.farEnd, label);
    this.#page.farEnd.title = title;
    this.#page.farEnd.hidden = false;
    this.#showPhrases(phrases);
    this.#render();
  }

  // ---- showing ---------------------------------------------------------------------------------

  #isBusy() {
    return this.#isAsking || (this.call !== null && this.call.state !== "ended");
  }

  /** @returns {keyof typeof STATE_WORDS} */
  #state() {
    if (this.#isAsking) return "asking";
    if (this.#isRefused) return "refused";
    return this.call?.state ?? "new";
  }

  #render() {
    const page = this.#page;
    const state = this.#state();
    const isBusy = this.#isBusy();
    const isOpen = isBusy && !this.#isAsking;
    const isTalking = isOpen && state !== "connecting";
    const hasTalk = isOpen || this.conversation.entries.length > 0;

    this.#stage.state = state;
    this.#stage.isOpen = isOpen;
    document.body.dataset.phase = isOpen ? "call" : hasTalk ? "after" : "idle";
    document.body.dataset.state = state;
    document.title = isOpen ? `${STATE_WORDS[state].label} – livegate` : "livegate";
    const isFailed = this.#isFailed();
    write(page.state, isFailed ? "The call did not start" : STATE_WORDS[state].label);
    write(page.hint, this.#hint(state));
    page.callIcon.setAttribute("href", isBusy ? "#icon-hang-up" : "#icon-call");
    page.call.dataset.act = isBusy ? "stop" : "start";
    const again = isFailed || this.#isRefused ? "Try again" : hasTalk ? "Call again" : "Start call";
    write(page.callLabel, this.#isAsking ? "Cancel" : isBusy ? "Hang up" : again);

    page.meta.hidden = !isOpen;
    page.talk.hidden = !hasTalk;
    page.controls.hidden = !isOpen;
    page.meters.hidden = !isOpen;
    page.settings.hidden = isOpen;
    page.config.hidden = !isOpen || !page.config.textContent;
    const note = this.#hearingNote();
    const hasIdeas = !note && this.#catalog?.phrases.length;
    write(page.hearing, note && `${note} Choose English to talk with it.`);
    page.hearing.hidden = isOpen || !note;
    page.ideas.hidden = isBusy || hasTalk || !hasIdeas;
    page.chips.hidden = !isOpen || !this.#canType || !hasIdeas;
    this.#choices.enable(!isBusy);

    const muted = this.microphone?.muted ?? false;
    page.mute.disabled = !this.microphone;
    page.mute.dataset.muted = String(muted);
    page.muteIcon.setAttribute("href", muted || !this.microphone ? "#icon-mic-off" : "#icon-mic");
    write(page.muteLabel, this.microphone ? (muted ? "Unmute" : "Mute") : "No mic");
    page.interrupt.disabled = state !== "speaking";
    page.text.disabled = !isTalking || !this.#canType;
    page.text.placeholder = this.#canType
      ? "Type instead of speaking"
      : "This model takes speech only";
    page.send.disabled = page.text.disabled;
    for (const chip of page.chips.querySelectorAll("button")) chip.disabled = !isTalking;
    page.composer.hidden = !isOpen;
    if (!isOpen) {
      page.unblock.hidden = true;
      page.quality.open = false;
    }
  }

  /** @param {keyof typeof STATE_WORDS} state */
  #hint(state) {
    if (state === "ended" && this.#length) return `It lasted ${this.#length}.`;
    if (state === "listening" && this.#hearingNote()) return this.#hearingNote();
    if (state === "listening" && !this.microphone) return "Type below; you will hear the answer.";
    if (state === "listening" && this.microphone?.muted) return "You are muted.";
    if (state === "listening" && this.#isHearing) return "I can hear you.";
    if (state === "speaking" && !this.microphone) return "Type, or press Interrupt.";
    return STATE_WORDS[state].hint;
  }

  /** The newest call ended before anything could be said, and the caller did not want that. */
  #isFailed() {
    const reason = this.call?.end?.reason ?? "hangup";
    if (reason === "hangup" || this.#isAsking) return false;
    // The gateway may be ready before the service behind it has said no.
    return reason === "live_refused" || !this.#stage.since;
  }

  #chosenLanguage() {
    return this.#choices.value.language || this.#catalog?.default.language || null;
  }

  #hearingNote() {
    const isOpen = this.call !== null && this.call.state !== "ended";
    const language = isOpen ? this.#language : this.#chosenLanguage();
    return this.#catalog ? hearingNote(this.#catalog, language) : "";
  }

  #showConversation() {
    this.#transcript.show(this.conversation.entries);
    this.#page.empty.hidden = this.conversation.entries.length > 0;
  }

  /** @param {string[]} phrases */
  #showPhrases(phrases) {
    const { chips, ideaList } = this.#page;
    chips.replaceChildren();
    ideaList.replaceChildren();
    for (const phrase of phrases.slice(0, 4)) make(ideaList, "li", "idea", phrase);
    for (const phrase of phrases.slice(0, 12)) {
      const chip = /** @type {HTMLButtonElement} */ (
        make(make(chips, "li", ""), "button", "chip", phrase)
      );
      chip.type = "button";
      chip.addEventListener("click", () => this.#say(phrase));
    }
  }

  #growText() {
    const { style, scrollHeight } = this.#page.text;
    style.height = "auto";
    style.height = `${this.#page.text.scrollHeight || scrollHeight}px`;
  }
}

/** A browser that keeps nothing for pages throws at the mere question. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

/** Every element the page is addressed by. */
function elements() {
  /**
   * @template {Element} E
   * @param {string} id
   * @param {new () => E} type
   * @returns {E}
   */
  const find = (id, type) => {
    const element = document.getElementById(id);
    if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
    return element;
  };
  return {
    audio: find("audio", HTMLAudioElement),
    barCaller: find("bar-caller", HTMLElement),
    barModel: find("bar-model", HTMLElement),
    call: find("call", HTMLButtonElement),
    callIcon: find("call-icon", SVGUseElement),
    callLabel: find("call-label", HTMLElement),
    chips: find("chips", HTMLElement),
    composer: find("composer", HTMLFormElement),
    config: find("config", HTMLElement),
    controls: find("controls", HTMLElement),
    elapsed: find("elapsed", HTMLElement),
    empty: find("empty", HTMLElement),
    entry: find("entry", HTMLTemplateElement),
    farEnd: find("far-end", HTMLElement),
    gate: find("gate", HTMLCanvasElement),
    hearing: find("hearing", HTMLElement),
    hint: find("hint", HTMLElement),
    ideaList: find("idea-list", HTMLElement),
    ideas: find("ideas", HTMLElement),
    interrupt: find("interrupt", HTMLButtonElement),
    language: find("language", HTMLSelectElement),
    log: find("log", HTMLElement),
    meta: find("meta", HTMLElement),
    meterCaller: find("meter-caller", HTMLMeterElement),
    meterModel: find("meter-model", HTMLMeterElement),
    meters: find("meters", HTMLElement),
    model: find("model", HTMLSelectElement),
    mute: find("mute", HTMLButtonElement),
    muteIcon: find("mute-icon", SVGUseElement),
    muteLabel: find("mute-label", HTMLElement),
    notice: find("notice", HTMLElement),
    quality: find("quality", HTMLDetailsElement),
    qualityList: find("quality-list", HTMLElement),
    qualityWord: find("quality-word", HTMLElement),
    scroll: find("scroll", HTMLElement),
    send: find("send", HTMLButtonElement),
    settings: find("settings", HTMLFormElement),
    state: find("state", HTMLElement),
    talk: find("talk", HTMLElement),
    text: find("text", HTMLTextAreaElement),
    unblock: find("unblock", HTMLButtonElement),
    voice: find("voice", HTMLSelectElement),
  };
}
