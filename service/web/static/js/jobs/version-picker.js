// Choice of one published version, or of several in a row of menus.
import { fill, h } from "../dom.js";

/** @typedef {{value: string, text: string, group: string}} Choice */

/** Versions of all models as choices, newest first; with `champions`, also "cnn" for whichever is champion then. */
export function versionChoices(models, { champions = false } = {}) {
  return models.flatMap(({ model, champion, versions }) => [
    ...(champions && champion !== null ? [{ value: model, text: `${model} (champion when the job starts)`, group: model }] : []),
    ...versions.toReversed().map((version) => ({ value: `${model}@${version}`, text: version === champion ? `${model}@${version} (champion)` : `${model}@${version}`, group: model })),
  ]);
}

export class VersionPicker {
  /**
   * @param {string} label of the field, for the second and later menus
   * @param {{choices: Choice[], none: string, most: number}} options `none` is the text of no choice
   */
  constructor(label, { choices, none, most }) {
    this.label = label;
    this.choices = choices;
    this.none = none;
    this.most = most;
    this.element = h("div.version-menus");
    this.first = this.#menu("");
    this.element.append(this.first);
    this.element.addEventListener("change", () => this.#arrange());
  }

  /** "cnn@3", "cnn@3+cnn@4", or "" for no version. */
  get value() {
    return this.#menus.map(({ value }) => value).filter(Boolean).join("+");
  }

  set value(text) {
    const [first = "", ...more] = text ? text.split("+") : [];
    this.#choose(this.first, first);
    this.element.replaceChildren(this.first, ...more.map((value) => this.#menu(value)));
    this.#arrange();
  }

  get #menus() {
    return [...this.element.children];
  }

  /** Drop later menus without a choice, and end with an empty one while another version may be added. */
  #arrange() {
    for (const menu of this.#menus.slice(1)) if (!menu.value && menu !== document.activeElement) menu.remove();
    const menus = this.#menus;
    if (this.first.value && menus.every(({ value }) => value) && menus.length < this.most) this.element.append(this.#menu(""));
    if (!this.first.value && menus.length > 1) this.value = menus.slice(1).map(({ value }) => value).filter(Boolean).join("+");
    this.#menus.slice(1).forEach((menu, place) => menu.setAttribute("aria-label", `${this.label}, version ${place + 2}`));
  }

  #menu(value) {
    const menu = h("select");
    this.#choose(menu, value);
    return menu;
  }

  /** Offer all versions, and `value` even if it no longer exists. */
  #choose(menu, value) {
    const isFirst = menu === this.first || this.first === undefined;
    const groups = Map.groupBy(this.choices, ({ group }) => group);
    const isKnown = !value || this.choices.some((choice) => choice.value === value);
    fill(menu, h("option", { value: "" }, isFirst ? this.none : "No other version"),
      [...groups].map(([group, choices]) => h("optgroup", { label: group }, choices.map((choice) => h("option", { value: choice.value }, choice.text)))),
      !isKnown && h("option", { value }, value));
    menu.value = value;
  }
}
