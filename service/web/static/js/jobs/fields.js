// Form fields generated from a schema: value, help and error of each setting.
import { fill, h } from "../dom.js";
import { choose } from "../parts/choose.js";
import { VersionPicker } from "./version-picker.js";

let made = 0;

/** One setting in a form. */
export class FormField {
  /**
   * @param {import("./schema.js").Field} field
   * @param {{choices?: {value: string, text: string}[], versions?: object, placeholder?: string}} [options]
   *   choices turn a text field into a <select>, versions (the options of VersionPicker) into a choice of versions
   */
  constructor(field, { choices, versions, placeholder } = {}) {
    this.field = field;
    this.id = `field-${++made}`;
    this.kind = choices ? "choice" : field.kind;
    this.picker = versions ? new VersionPicker(field.label, versions) : null;
    this.control = this.picker?.first ?? control(this.kind, field, choices);
    this.control.id = this.id;
    this.control.name = field.path;
    if (placeholder) this.control.placeholder = placeholder;
    this.hint = h("p.hint", { id: `${this.id}-hint` }, field.help);
    this.error = h("p.field-error", { id: `${this.id}-error`, hidden: true });
    this.own = h("p.small.own", { hidden: true });
    this.control.setAttribute("aria-describedby", `${this.hint.id} ${this.error.id}`);
    const label = h("label", { for: this.id }, field.label);
    this.element = this.kind === "boolean"
      ? h("div.field", h("div.check", this.control, label), this.hint, this.error, this.own)
      : h("div.field", label, this.picker?.element ?? this.control, this.hint, this.error, this.own);
    this.set(field.value);
    (this.picker?.element ?? this.control).addEventListener("input", () => this.#touched());
  }

  /** The value as JSON; invalid input is sent unchanged, and the service reports the error. */
  get value() {
    const { control: { checked }, field } = this;
    const { value } = this.picker ?? this.control;
    if (this.kind === "boolean") return checked;
    if (value.trim() === "") return field.kind === "text" && !field.optional ? "" : null;
    if (this.kind === "integer" || this.kind === "number") return Number(value);
    if (this.kind === "list") return value.split(",").map((part) => numeric(part.trim()));
    return value;
  }

  get isChanged() {
    return JSON.stringify(this.value) !== JSON.stringify(this.field.value);
  }

  set(value) {
    if (this.picker) this.picker.value = value ?? "";
    else if (this.kind === "boolean") this.control.checked = Boolean(value);
    else if (this.kind === "choice" && value) choose(this.control, value);
    else this.control.value = value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : value;
    this.#touched();
  }

  /** Show an error; null clears it. */
  complain(message) {
    this.error.textContent = message ?? "";
    this.error.hidden = message === null;
    if (message === null) this.control.removeAttribute("aria-invalid");
    else this.control.setAttribute("aria-invalid", "true");
  }

  /** Show the recipe's value beside a changed one, with a button that restores it. */
  offerOwn() {
    this.offers = true;
    this.#touched();
  }

  #touched() {
    this.complain(null);
    if (!this.offers) return;
    const changed = this.isChanged;
    this.element.classList.toggle("changed", changed);
    this.own.hidden = !changed;
    if (!changed) return;
    const back = () => {
      this.set(this.field.value);
      this.control.dispatchEvent(new Event("input", { bubbles: true }));
      this.control.focus();
    };
    fill(this.own, `Recipe default: ${readable(this.field.value)}. `,
      h("button.link", { type: "button", onclick: back, "aria-label": `Reset ${this.field.label}` }, "Reset"));
  }
}

/** A setting's value as text. */
export function readable(value) {
  if (value === null) return "none";
  if (value === true) return "yes";
  if (value === false) return "no";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function control(kind, field, choices) {
  if (kind === "boolean") return h("input", { type: "checkbox" });
  if (kind === "choice") {
    const options = choices ?? field.choices.map((value) => ({ value, text: value }));
    return h("select", options.map(({ value, text, disabled }) => h("option", { value, disabled }, text)));
  }
  if (kind === "integer" || kind === "number") {
    return h("input", { type: "number", step: kind === "integer" ? 1 : "any", min: field.minimum, max: field.maximum, inputmode: "decimal" });
  }
  return h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
}

function numeric(text) {
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}
