/**
 * Pieces of the page, each inside the element it is given: the transcript, the connection's
 * quality, and the notice that says what went wrong. They show values and report clicks.
 */

import { remark, UNHEARD } from "./words.js";

/** @import { Entry } from "./conversation.js" */
/** @import { Grade, Quality } from "./quality.js" */
/** @import { Action, Advice } from "./words.js" */

/** The conversation as a list that grows, follows its end, and keeps still when scrolled up. */
export class TranscriptView {
  /** @type {Map<number, HTMLElement>} by entry */
  #items = new Map();
  #list;
  #template;
  #scroller;

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template
   * @param {HTMLElement} scroller
   */
  constructor(list, template, scroller) {
    this.#list = list;
    this.#template = template;
    this.#scroller = scroller;
  }

  clear() {
    this.#items.clear();
    this.#list.replaceChildren();
  }

  /** @param {Entry[]} entries  in order; those whose text did not change cost nothing */
  show(entries) {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 60;
    entries.forEach((entry, index) => {
      const item = this.#items.get(entry.id) ?? this.#make(entry);
      if (this.#list.children[index] !== item) {
        this.#list.insertBefore(item, this.#list.children[index] ?? null);
      }
      this.#fill(item, entry);
    });
    if (isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** @param {Entry} entry */
  #make(entry) {
    const item = /** @type {HTMLElement} */ (this.#template.content.firstElementChild).cloneNode(
      true,
    );
    const made = /** @type {HTMLElement} */ (item);
    made.dataset.who = entry.who;
    part(made, ".who").textContent = entry.who === "caller" ? "You" : "Model";
    this.#items.set(entry.id, made);
    return made;
  }

  /** @param {HTMLElement} item @param {Entry} entry */
  #fill(item, entry) {
    write(part(item, ".settled"), entry.unheard ? UNHEARD : entry.text);
    write(part(item, ".guess"), entry.guess);
    const note = part(item, ".note");
    write(note, remark(entry));
    note.hidden = !note.textContent;
    item.classList.toggle("interrupted", entry.interrupted);
    item.classList.toggle("open", entry.open);
    item.classList.toggle("unheard", entry.unheard);
    // A screen reader waits for the whole sentence instead of reading every fragment.
    item.ariaBusy = String(entry.open);
  }
}

/** The connection in one word, and its measures for those who open it. */
export class QualityView {
  #box;
  #word;
  #list;

  /** @param {HTMLElement} box @param {HTMLElement} word @param {HTMLElement} list */
  constructor(box, word, list) {
    this.#box = box;
    this.#word = word;
    this.#list = list;
  }

  /** @param {Quality} quality */
  show({ grade, rtt_ms, loss_in, loss_out, jitter_in_ms, jitter_out_ms, codec, path }) {
    this.#box.dataset.grade = grade;
    write(this.#word, GRADE_WORDS[grade]);
    const rows = [
      ["Round trip", measure(rtt_ms, "ms")],
      ["Lost, to you", measure(loss_in, "%")],
      ["Lost, from you", measure(loss_out, "%")],
      ["Jitter, to you", measure(jitter_in_ms, "ms")],
      ["Jitter, from you", measure(jitter_out_ms, "ms")],
      ["Path", [path?.toUpperCase(), codec].filter(Boolean).join(" · ") || "–"],
    ];
    this.#box.title = rows.map((row) => row.join(": ")).join("\n");
    this.#list.replaceChildren();
    for (const [name, value] of rows) {
      make(this.#list, "dt", "", name);
      make(this.#list, "dd", "", value);
    }
  }
}

/** @type {Record<Grade, string>} */
const GRADE_WORDS = { good: "Good", fair: "Fair", poor: "Poor", unknown: "Measuring" };

/** @param {number | null} value @param {"ms" | "%"} unit  of a share, in per cent */
function measure(value, unit) {
  if (value === null) return "–";
  return unit === "%" ? `${(value * 100).toFixed(1)} %` : `${Math.round(value)} ms`;
}

/** @type {Record<Action, string>} */
const ACTION_WORDS = { retry: "Try again", type: "Continue by typing" };

/** What went wrong, in words, with what can be done about it. */
export class NoticeView {
  #box;
  #neighbour;

  /** @param {HTMLElement} box @param {HTMLElement} neighbour  has the focus after the notice */
  constructor(box, neighbour) {
    this.#box = box;
    this.#neighbour = neighbour;
  }

  hide() {
    if (this.#box.matches(":focus-within")) this.#neighbour.focus({ preventScroll: true });
    this.#box.hidden = true;
    this.#box.replaceChildren();
  }

  /**
   * @param {Advice} advice
   * @param {Partial<Record<Action, () => void>>} act
   * @param {"problem" | "news"} tone
   */
  show({ title, text, steps, actions }, act, tone = "problem") {
    const box = this.#box;
    this.hide();
    box.dataset.tone = tone;
    if (title) make(box, "h2", "", title);
    if (text) make(box, "p", "", text);
    if (steps.length === 1) make(box, "p", "", steps[0]);
    if (steps.length > 1) {
      const list = make(box, "ol", "");
      for (const step of steps) make(list, "li", "", step);
    }
    const row = actions.length > 0 ? make(box, "div", "notice-actions") : box;
    for (const [index, action] of actions.entries()) {
      const button = /** @type {HTMLButtonElement} */ (
        make(row, "button", index === 0 ? "pill pill-strong" : "pill")
      );
      button.type = "button";
      button.textContent = ACTION_WORDS[action];
      button.addEventListener("click", () => act[action]?.());
    }
    const close = /** @type {HTMLButtonElement} */ (make(box, "button", "notice-close"));
    close.type = "button";
    close.ariaLabel = "Dismiss";
    close.textContent = "×";
    close.addEventListener("click", () => this.hide());
    box.hidden = false;
  }
}

/**
 * @param {Element} parent
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
export function make(parent, tag, className, text) {
  const element = parent.ownerDocument.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** Leaves the node alone when it says so already. @param {HTMLElement} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} parent @param {string} selector */
function part(parent, selector) {
  return /** @type {HTMLElement} */ (parent.querySelector(selector));
}
