// Recall, precision or F1 per class, and significant differences between the versions.
import { fill, h } from "../dom.js";
import { percent, points } from "../format.js";
import { count } from "../parts/size.js";
import { pValue, shareInterval, tableBehind, twoLines } from "./figures.js";
import { lead, legend, pairs } from "./pairs.js";

const ROWS = 100;
const MEASURES = { recall: "Recall", precision: "Precision", f1: "F1" };
const MEANING = {
  recall: "Share of the images of a class that are predicted as this class.",
  precision: "Share of the images predicted as this class that belong to it.",
  f1: "Harmonic mean of recall and precision.",
};

/** The section of per-class metrics. */
export function classes(data, sides) {
  const place = h("div.stack");
  const draw = (measure) => fill(place, h("p.small.muted", MEANING[measure], measure === "recall" && " On the right, the difference in percentage points; if it is significant after Holm's correction over all classes, it has the color of the better version."),
    omitted(data), legend(sides), pairs(rowsOf(data, sides, measure), sides), behind(data, sides, measure));
  draw("recall");
  return h("section.card.section", { "aria-labelledby": "classes" },
    h("div.row.spread", h("h2", { id: "classes" }, "Per-class metrics"),
      h("fieldset.choice", h("legend.visually-hidden", "Measure"), Object.entries(MEASURES).map(([measure, name]) => h("label",
        h("input", { type: "radio", name: "measure", value: measure, checked: measure === "recall", onchange: () => draw(measure) }), name)))),
    place);
}

/** Positions of the classes to show: with test images and, of more than ROWS, those that differ most. */
function shown(data) {
  const rows = data.first.scores.per_class;
  const positions = [...rows.keys()].filter((index) => rows[index].support > 0);
  if (positions.length <= ROWS) return positions;
  const difference = new Map(data.per_class.map((row) => [row.label, Math.abs(row.difference.value)]));
  return positions.sort((a, b) => (difference.get(rows[b].label) ?? 0) - (difference.get(rows[a].label) ?? 0)).slice(0, ROWS).sort((a, b) => a - b);
}

/** The classes that are not shown, in words. */
function omitted(data) {
  const rows = data.first.scores.per_class;
  const without = rows.filter((row) => row.support === 0).length;
  const parts = [];
  if (without) parts.push(`${count(without)} classes have no test image.`);
  if (rows.length - without > ROWS) parts.push(`The ${ROWS} of ${count(rows.length - without)} classes whose recall differs most; the JSON has all.`);
  return parts.length ? h("p.small.muted", parts.join(" ")) : null;
}

function rowsOf(data, sides, measure) {
  const tested = new Map(data.per_class.map((row) => [row.label, row]));
  return shown(data).map((index) => {
    const one = data.first.scores.per_class[index];
    return {
      label: one.label,
      first: one[measure],
      second: data.second.scores.per_class[index][measure],
      aside: measure === "recall" && tested.has(one.label) ? difference(tested.get(one.label), sides) : null,
    };
  });
}

function difference({ difference: { value }, significant, holm_p: p }, sides) {
  return lead(value, significant, sides, `${pValue(p)} after Holm's correction`);
}

function behind(data, sides, measure) {
  const tested = new Map(data.per_class.map((row) => [row.label, row]));
  const recall = measure === "recall";
  const columns = [{ text: "Class" }, { text: "Images", number: true },
    ...sides.map((side) => ({ text: `${side.name}, ${MEASURES[measure]}`, number: true })),
    ...(recall ? [{ text: "Difference in points", number: true }, { text: "p after Holm", number: true }] : [])];
  const rows = shown(data).map((index) => {
    const one = data.first.scores.per_class[index];
    const estimates = [one[measure], data.second.scores.per_class[index][measure]];
    const row = tested.get(one.label);
    const tests = row
      ? [twoLines(points(row.difference.value), `${points(row.difference.low)} to ${points(row.difference.high)}`), `${pValue(row.holm_p)}${row.significant ? ", significant" : ""}`]
      : ["", ""];
    return [one.label, count(one.support), ...estimates.map((estimate) => twoLines(percent(estimate.value), shareInterval(estimate))), ...(recall ? tests : [])];
  });
  return tableBehind(`${MEASURES[measure]} of each class`, columns, rows, "Show as a table, with 95 % intervals");
}
