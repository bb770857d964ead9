// Settings form of a recipe: one collapsible group of fields per section of the configuration.
import { fill, h } from "../dom.js";
import { FormField } from "./fields.js";
import { groupsOf } from "./schema.js";

/** Form of all settings of a recipe, which tracks changes. */
export class SettingsForm {
  /**
   * @param {object} schema of every recipe's configuration
   * @param {object} config of the recipe
   * @param {Set<string>} without names of settings to omit
   * @param {() => void} onChange called after every change
   * @param {(field: import("./schema.js").Field) => object} optionsOf options of a setting's FormField
   */
  constructor(schema, config, without, onChange, optionsOf) {
    this.optionsOf = optionsOf;
    this.fields = new Map();
    const parts = groupsOf(schema, config, without).map((group) => this.#part(group));
    this.element = h("div.stack", parts);
    this.element.addEventListener("input", onChange);
  }

  /** Dotted names of the changed settings with their values. */
  get changes() {
    const changed = [...this.fields].filter(([, field]) => field.isChanged);
    return Object.fromEntries(changed.map(([path, field]) => [path, field.value]));
  }

  /** Set settings by their dotted names; unknown names are ignored. */
  apply(changes) {
    for (const [path, value] of Object.entries(changes)) {
      const field = this.fields.get(path);
      field?.set(value);
      field?.control.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  #part({ path, label, help, fields }) {
    const drawn = fields.map((field) => {
      const one = new FormField(field, this.optionsOf(field));
      one.offerOwn();
      this.fields.set(field.path, one);
      return one;
    });
    const grid = h("div.fields", drawn.map((one) => one.element));
    if (path === "") return grid;
    const changed = h("span.badge", { hidden: true });
    const part = h("details.settings-part", h("summary", h("span", label), changed), help && h("p.small.muted.prose", help), grid);
    part.addEventListener("input", () => {
      const count = drawn.filter((one) => one.isChanged).length;
      changed.hidden = count === 0;
      fill(changed, `${count} changed`);
    });
    return part;
  }
}

/**
 * Show validation errors beside their fields, and focus the first one.
 *
 * @param {{parameter: string, message: string}[]} errors
 * @param {Map<string, FormField>} fields by the service's parameter names
 * @returns {string[]} errors without a field
 */
export function complain(errors, fields) {
  const left = [];
  const faulty = [];
  for (const { parameter, message } of errors) {
    const field = fields.get(parameter);
    if (!field) {
      left.push(`${parameter}: ${message}`);
      continue;
    }
    field.complain(message);
    field.element.closest("details")?.setAttribute("open", "");
    faulty.push(field);
  }
  faulty[0]?.control.focus();
  return left;
}
