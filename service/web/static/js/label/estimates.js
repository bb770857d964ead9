// Estimates from labels: accuracy of each version, and precision and recall of its classes.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { count, counted } from "../parts/size.js";
import { errorNotice } from "../toast.js";

/** Fetch the estimates and show them in the element. */
export async function estimates(place) {
  try {
    fill(place, card(await askJSON("/labelling")));
  } catch (error) {
    fill(place, errorNotice(error));
  }
}

function card({ observations, other_labels: others, estimates: found }) {
  return h("section.card.stack-tight.label-figures", h("h2", "Accuracy of live answers"),
    h("p.small.muted", `From ${counted("label", observations)} of randomly chosen pictures, weighted. The 95 % intervals hold at all times, so looking often does no harm.`),
    others > 0 && h("p.small.muted", `${counted("other label", others)} from clients or shadow trials are not a random sample and do not count here.`),
    found.length === 0 ? h("p.muted", "No label yet.") : found.map(model));
}

function model(one) {
  return h("div.label-model.stack-tight",
    h("h3", `${one.model}@${one.version} `, h("span.muted.small", one.precision)),
    h("p.label-value", interval(one.accuracy)),
    h("p.small.muted", counted("labelled picture", one.images)),
    classes(one));
}

function classes(one) {
  const labels = [...new Set([...Object.keys(one.class_precision), ...Object.keys(one.class_recall)])].sort();
  if (!labels.length) return null;
  const cell = (value) => h("td.number", value ? interval(value) : "–");
  return h("details", h("summary", `Precision and recall of ${count(labels.length)} ${labels.length === 1 ? "class" : "classes"}`),
    h("div.table-box", { tabindex: 0, role: "group", "aria-label": `Precision and recall of ${one.model}@${one.version}` }, h("table",
      h("thead", h("tr", h("th", { scope: "col" }, "Class"), h("th.number", { scope: "col" }, "Precision"), h("th.number", { scope: "col" }, "Recall"))),
      h("tbody", labels.map((label) => h("tr", h("th", { scope: "row" }, label), cell(one.class_precision[label]), cell(one.class_recall[label])))))));
}

function interval({ value, low, high }) {
  return [percent(value), " ", h("span.muted.small", `${percent(low)} to ${percent(high)}`)];
}
