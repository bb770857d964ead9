// What the gate found of a version, as people read it: the decision, what it rests on, and each class.
import { h } from "../dom.js";
import { percent, points } from "../format.js";

const NAMES = {
  gain: "Accuracy gained",
  non_inferiority: "Not inferior",
  cheaper: "Cheaper",
  classes: "Every class",
  calibration: "Calibration",
  corrupted_accuracy: "Accuracy under corruption",
  corrupted_flags: "Flags under corruption",
  latency: "Latency",
  size: "Size",
};
const GROUNDS = new Set(["gain", "non_inferiority", "cheaper"]);

/** The whole report as a part of a page; `open` shows its details at once. */
export function gateReport(report, { open = true } = {}) {
  const details = [...report.verdicts.map(verdict), classes(report.classes)].filter(Boolean);
  return h("div.gate", { class: report.passed ? "passed" : "refused" },
    h("p.gate-decision", mark(report.passed), h("span", sentence(report.summary))),
    details.length > 0 && h("details", { open }, h("summary", "What the decision rests on"), h("ul.verdicts", details)));
}

function verdict({ name, value, passed, sentence: said }) {
  // A ground for promotion that does not hold is no fault: another one may.
  const kind = value === null ? "neutral" : passed ? "good" : GROUNDS.has(name) ? "neutral" : "bad";
  return h("li", { class: kind }, h("span.verdict-mark", { "aria-hidden": "true" }, { good: "✓", neutral: "–", bad: "✕" }[kind]),
    h("div", h("h4", NAMES[name], h("span.visually-hidden", value === null ? ": not measured" : { good: ": yes", neutral: ": no", bad: ": worse" }[kind])), h("p", sentence(said))));
}

function classes(list) {
  if (!list.length) return null;
  const rows = list.map((one) => h("tr", { class: one.passed ? null : "worse" }, h("th", { scope: "row" }, one.label),
    h("td.number", percent(one.candidate)), h("td.number", percent(one.champion)), h("td.number", points(one.candidate - one.champion))));
  return h("li.gate-classes", h("details", h("summary", "Share recognised, class by class"),
    h("div.table-box", { tabindex: 0, role: "group", "aria-label": "Share recognised, class by class" }, h("table",
      h("thead", h("tr", h("th", { scope: "col" }, "Class"), h("th.number", { scope: "col" }, "Candidate"),
        h("th.number", { scope: "col" }, "Champion"), h("th.number", { scope: "col" }, "Points"))),
      h("tbody", rows)))));
}

function mark(passed) {
  return h("span.badge", { class: passed ? "good" : "warning" }, passed ? "Passes" : "Does not pass");
}

/** A name such as cnn@3 in front keeps its letters. */
function sentence(text) {
  const first = text.split(" ")[0].includes("@") ? text.charAt(0) : text.charAt(0).toUpperCase();
  return `${first}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
