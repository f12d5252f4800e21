/**
 * The choices of the next call: what `GET /v1/models` has, what was chosen, what is remembered.
 */

import { make } from "./views.js";

/** @import { Catalog, Choice } from "./protocol.js" */

const KEY = "livegate.choice";

/** Three lists; an empty value leaves the choice to the gateway. What is gone is not offered. */
export class ChoiceView {
  #selects;
  #storage;

  /**
   * @param {Record<keyof Choice, HTMLSelectElement>} selects
   * @param {Storage | undefined} storage
   */
  constructor(selects, storage) {
    this.#selects = selects;
    this.#storage = storage;
    for (const select of Object.values(selects)) {
      select.addEventListener("change", () => this.#remember());
    }
  }

  /** @returns {Choice} */
  get value() {
    const { model, voice, language } = this.#selects;
    return { model: model.value, voice: voice.value, language: language.value };
  }

  /** @param {Catalog} catalog */
  fill(catalog) {
    const { model, voice, language } = this.#selects;
    const choice = this.#remembered();
    const names = new Map(catalog.languages.map(({ code, name }) => [code, name]));
    const usual = catalog.default;

    const talking = catalog.models.filter(({ capabilities }) => {
      return capabilities.length === 0 || capabilities.includes("audio_out");
    });
    const isUsual = (/** @type {string} */ id) => id === usual.model;
    const others = talking.filter(({ id }) => !isUsual(id));
    options(model, choice.model, usual.model || "Gateway’s choice", [
      ["", others.filter(({ status }) => status === "ga").map(({ id }) => [id, id])],
      ["Preview", others.filter(({ status }) => status !== "ga").map(({ id }) => [id, id])],
    ]);
    const styled = catalog.voices.map(({ name, style }) => {
      return /** @type {[string, string]} */ ([name, style ? `${name} · ${style}` : name]);
    });
    options(voice, choice.voice, usual.voice || "Model’s choice", [["", styled]]);
    options(language, choice.language, names.get(usual.language) || usual.language || "Automatic", [
      ["", catalog.languages.map(({ code, name }) => [code, name])],
    ]);
  }

  #remember() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.value));
    } catch {
      // Full, or switched off: the choice lasts as long as the page.
    }
  }

  /** @returns {Choice} */
  #remembered() {
    try {
      const { model, voice, language } = JSON.parse(this.#storage?.getItem(KEY) ?? "{}");
      return { model, voice, language };
    } catch {
      return {};
    }
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    for (const select of Object.values(this.#selects)) select.disabled = !enabled;
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {string | undefined} chosen
 * @param {string} usual  what it is if nothing is chosen
 * @param {[string, [string, string][]][]} groups  of value and label
 */
function options(select, chosen, usual, groups) {
  select.replaceChildren(new Option(usual, ""));
  for (const [label, entries] of groups) {
    const group = label ? make(select, "optgroup", "") : select;
    if (label) /** @type {HTMLOptGroupElement} */ (group).label = label;
    for (const [value, text] of entries) group.append(new Option(text, value));
    if (label && entries.length === 0) group.remove();
  }
  const isThere = [...select.options].some(({ value }) => value === chosen);
  select.value = isThere && chosen ? chosen : "";
}
