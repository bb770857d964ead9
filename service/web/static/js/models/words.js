// Champions and moves in words.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { ago } from "../parts/when.js";

/** "90.7 % (90.2 to 91.3)" of an estimate with its 95 % interval. */
export function estimated({ value, low, high }, digits = 1) {
  return `${percent(value, digits)} (${(100 * low).toFixed(digits)} to ${(100 * high).toFixed(digits)})`;
}

/** Address of a version's page. */
export function versionAddress(model, version) {
  return `?${new URLSearchParams({ model, version })}`;
}

/** Address of the comparison of two versions, which is another page. */
export function comparisonAddress(first, second) {
  return `/ui/comparison?${new URLSearchParams({ first, second })}`;
}

/** Address of a picture of a version's card. */
export function figureAddress(model, version) {
  return (name) => `/models/${encodeURIComponent(model)}/versions/${version}/figures/${encodeURIComponent(name)}`;
}

/** How the present champion came to be, as a part of a page; `move` is the newest of the audit trail, if there is one. */
export function since(move) {
  if (!move) return h("p.small.muted", "Champion from the beginning: it came with the project, and nobody has moved it.");
  const how = { promote: "promoted", rollback: "gone back to" }[move.action];
  return h("p.small", `Champion since `, ago(move.at), `, ${how} by ${move.actor}: `, h("q", move.reason));
}

/** Whether a move went past the gate. */
export function isForced({ evidence }) {
  return Boolean(evidence?.forced);
}
