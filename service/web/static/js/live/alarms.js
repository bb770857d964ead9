// Alarms with their evidence.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { ago } from "../parts/when.js";
import { evidenceText, testName } from "./tests.js";

/** Section of all alarms, or the statement that there is none. */
export function alarms({ alarms: raised }) {
  if (!raised.length) {
    return h("div.notice.good", h("p", h("strong", "No alarm."), " Each test of a version raises a false one with a probability of at most 1 %, however long it runs."));
  }
  return h("section.stack-tight", { "aria-label": "Alarms" }, h("h2", raised.length === 1 ? "1 alarm" : `${raised.length} alarms`), raised.map(alarm));
}

/** Sentence for screen readers. */
export function said(raised) {
  return raised.length ? `${raised.length} alarms, the newest: ${raised[0].message}` : "No alarm";
}

function alarm(raised) {
  const { drift, coverage } = raised;
  const [found, limit] = drift ? [drift.largest_evidence, drift.alarm_evidence] : [coverage.largest_wealth, 1 / raised.false_alarm_rate];
  return h("article.notice.bad.live-alarm",
    h("p", h("span.badge.bad", testName(raised.test)), " ", sentence(raised.message)),
    h("p.small", ago(raised.time), ` · evidence ${evidenceText(found)}, the alarm is at ${evidenceText(limit)} · false-alarm probability at most ${percent(raised.false_alarm_rate, 0)}`));
}

function sentence(message) {
  return `${message[0].toUpperCase()}${message.slice(1)}.`;
}
