// Texts and addresses shared by the models page.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { count } from "../parts/size.js";
import { ago } from "../parts/when.js";

/** "90.7 % (90.2 to 91.3)" of an estimate with its 95 % interval. */
export function estimated({ value, low, high }, digits = 1) {
  return `${percent(value, digits)} (${(100 * low).toFixed(digits)} to ${(100 * high).toFixed(digits)})`;
}

/** "90.7 % (90.2 to 91.3), n = 10,000" of a version in GET /models/{model}. */
export function testAccuracy({ test_accuracy: accuracy, test_images: images }) {
  return `${estimated(accuracy)}, n = ${count(images)}`;
}

/** Address of a version's page. */
export function versionAddress(model, version) {
  return `?${new URLSearchParams({ model, version })}`;
}

/** Address of the comparison page of two versions. */
export function comparisonAddress(first, second) {
  return `/ui/comparison?${new URLSearchParams({ first, second })}`;
}

/** How the current champion was chosen; `move` is the newest entry of the audit trail, or null. */
export function since(move) {
  if (!move) return h("p.small.muted", "Shipped with the project as champion.");
  const how = { promote: "promoted", rollback: "restored by rollback" }[move.action];
  return h("p.small", `Champion since `, ago(move.at), `, ${how} by ${move.actor}: `, h("q", move.reason));
}

/** Whether a promotion was forced past the gate. */
export function isForced({ evidence }) {
  return Boolean(evidence?.forced);
}
