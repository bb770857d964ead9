// What a list to pick from shows.
import { h } from "../dom.js";

/** Have `select` show this value; one that is none of its options gets an option, so that what was asked stays to be seen. */
export function choose(select, value) {
  if (!value) return;
  if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
  select.value = value;
}
