// Sequential tests: names, evidence as text, and evidence as a bar up to the alarm.
import { h } from "../dom.js";

const NAMES = { class_mix: "Class mix", confidence: "Confidence", energy: "Energy", coverage: "Coverage" };
const LARGEST = 1e6;

/** "class_mix" -> "Class mix". */
export function testName(test) {
  return NAMES[test] ?? test;
}

/** 0.04 -> "0.04", 3.14 -> "3.1", 4321 -> "4,321", 1e9 -> "over 1,000,000". */
export function evidenceText(value) {
  if (value >= LARGEST) return `over ${LARGEST.toLocaleString("en")}`;
  if (value >= 10) return Math.round(value).toLocaleString("en");
  return value >= 0.1 ? value.toFixed(1) : value.toFixed(2);
}

/** Position of the evidence between none (1) and the alarm, on a log scale from 0 to 1. */
export function towardsAlarm(value, limit) {
  return Math.min(1, Math.max(0, Math.log(value) / Math.log(limit)));
}

/** Rows of a model's tests: [name, number of images, evidence, limit, alarm]. */
export function testsOf(model) {
  const drift = model.drift.map(({ test, result }) => ({
    name: testName(test), images: result.images, evidence: result.evidence, limit: result.alarm_evidence, alarm: result.alarm_at !== null,
  }));
  const { coverage } = model;
  return coverage === null ? drift : [...drift, {
    name: testName("coverage"), images: coverage.labels, evidence: coverage.wealth, limit: 100, alarm: coverage.alarm_at !== null,
  }];
}

/** Table of a model's tests. */
export function testTable(model) {
  const name = `${model.model}@${model.version}`;
  return h("div.table-box", { tabindex: 0, role: "group", "aria-label": `Tests of ${name}` }, h("table",
    h("thead", h("tr", h("th", { scope: "col" }, "Test"), h("th.number", { scope: "col" }, "Images"), h("th", { scope: "col" }, "Evidence of a change"))),
    h("tbody", testsOf(model).map((test) => h("tr",
      h("th", { scope: "row" }, test.name), h("td.number", test.images.toLocaleString("en")),
      h("td", h("div.live-evidence", h("div.progress", { class: test.alarm ? "alarm" : "", vars: { "--share": towardsAlarm(test.evidence, test.limit) } }),
        h("span.row.spread.small", h("span", `${evidenceText(test.evidence)}, alarm at ${evidenceText(test.limit)}`),
          test.alarm ? h("span.badge.bad", "Alarm") : h("span.badge.good", "No alarm")))))))));
}
