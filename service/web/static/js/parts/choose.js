// Value of a <select>.
import { h } from "../dom.js";

/** Set the value of `select`; add an option if it has none with this value. */
export function choose(select, value) {
  if (!value) return;
  if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
  select.value = value;
}
