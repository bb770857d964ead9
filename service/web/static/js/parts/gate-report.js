// Gate report: the decision, its checks, and the recall of each class.
import { h } from "../dom.js";
import { percent, points } from "../format.js";

const NAMES = {
  accuracy_floor: "Accuracy above chance",
  gain: "Accuracy gain",
  non_inferiority: "Non-inferiority",
  cheaper: "Lower cost",
  classes: "Recall per class",
  calibration: "Calibration",
  corrupted_accuracy: "Accuracy under corruption",
  corrupted_flags: "Out-of-distribution flags under corruption",
  latency: "Latency",
  size: "Size",
};
const ROWS = 100;
const GROUNDS = new Set(["gain", "non_inferiority", "cheaper"]);

/** The report as an element; `open` expands its details. */
export function gateReport(report, { open = true } = {}) {
  const details = [
    ...report.verdicts.map(verdict),
    context("Compared images", report.shared),
    context("Error budget", report.attempt),
    context("Power", report.power),
    classes(report.classes),
  ].filter(Boolean);
  return h("div.gate", { class: report.passed ? "passed" : "refused" },
    h("p.gate-decision", mark(report.passed), h("span", sentence(report.summary))),
    details.length > 0 && h("details", { open }, h("summary", "Checks"), h("ul.verdicts", details)));
}

function verdict({ name, value, passed, sentence: said }) {
  // One ground for promotion is enough, so a ground that does not hold is neutral.
  const kind = value === null ? "neutral" : passed ? "good" : GROUNDS.has(name) ? "neutral" : "bad";
  return h("li", { class: kind }, h("span.verdict-mark", { "aria-hidden": "true" }, { good: "✓", neutral: "–", bad: "✕" }[kind]),
    h("div", h("h4", NAMES[name], h("span.visually-hidden", value === null ? ": not measured" : { good: ": yes", neutral: ": no", bad: ": worse" }[kind])), h("p", sentence(said))));
}

/** A sentence that decides nothing; null where the report has none. */
function context(name, part) {
  return part && h("li.neutral", h("span.verdict-mark", { "aria-hidden": "true" }, "–"), h("div", h("h4", name), h("p", sentence(part.sentence))));
}

/** Recall of each class; of more than ROWS, of those that lost most. */
function classes(all) {
  if (!all.length) return null;
  const many = all.length > ROWS;
  const list = many ? all.toSorted((a, b) => (a.candidate - a.champion) - (b.candidate - b.champion)).slice(0, ROWS) : all;
  const rows = list.map((one) => h("tr", { class: one.passed ? null : "worse" }, h("th", { scope: "row" }, one.label),
    h("td.number", percent(one.candidate)), h("td.number", percent(one.champion)), h("td.number", points(one.candidate - one.champion))));
  return h("li.gate-classes", h("details", h("summary", "Recall per class", many && ` (the ${ROWS} of ${all.length} classes that lost most)`),
    h("div.table-box", { tabindex: 0, role: "group", "aria-label": "Recall per class" }, h("table",
      h("thead", h("tr", h("th", { scope: "col" }, "Class"), h("th.number", { scope: "col" }, "Candidate"),
        h("th.number", { scope: "col" }, "Champion"), h("th.number", { scope: "col" }, "Points"))),
      h("tbody", rows)))));
}

function mark(passed) {
  return h("span.badge", { class: passed ? "good" : "warning" }, passed ? "Passes" : "Does not pass");
}

/** A reference such as cnn@3 at the start is not capitalized. */
function sentence(text) {
  const first = text.split(" ")[0].includes("@") ? text.charAt(0) : text.charAt(0).toUpperCase();
  return `${first}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
