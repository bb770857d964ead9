// Bar pairs: one row per item, one bar per version, on a scale from 0 to 100 %.
import { h } from "../dom.js";
import { percent, points } from "../format.js";
import { shareInterval } from "./figures.js";

const TICKS = [0, 25, 50, 75, 100];

/** Legend of the two versions' colors. */
export function legend(sides) {
  return h("ul.pair-legend", sides.map((side) => h("li", { class: side.kind }, side.name)));
}

/**
 * rows: [{label, first, second, aside}], where `first` and `second` are estimates with intervals and `aside` is an
 * optional text beside the bars; [{heading}] begins a group.
 */
export function pairs(rows, sides) {
  return h("div.pairs",
    rows.map((row) => (row.heading ? h("h3.pair-heading", row.heading) : pair(row, sides))),
    h("div.pair-axis", { "aria-hidden": "true" }, h("div", TICKS.map((tick) => h("span", { vars: { "--at": tick / 100 } }, `${tick}${tick === 100 ? " %" : ""}`)))));
}

function pair({ label, first, second, aside }, sides) {
  const estimates = [first, second];
  return h("div.pair", { role: "group", "aria-label": label },
    h("div.pair-label", label),
    h("div.pair-bars", { "aria-hidden": "true" }, estimates.map((estimate, side) => bar(estimate, sides[side]))),
    h("div.pair-values", estimates.map((estimate, side) => h("span.family-name", { class: sides[side].kind, title: `95 % interval ${shareInterval(estimate)}` },
      h("span.visually-hidden", `${sides[side].name} `), percent(estimate.value)))),
    h("div.pair-aside", aside ?? null));
}

/** The difference in percentage points; if it is significant (`clear`), a badge in the color of the better version. */
export function lead(difference, clear, sides, title) {
  const text = points(Math.abs(difference));
  if (!clear) return h("span.small.muted", { title }, text, h("span.visually-hidden", ", not significant"));
  const ahead = sides[difference > 0 ? 0 : 1];
  return h("span.badge", { class: ahead.kind, title }, text, h("span.visually-hidden", ` for ${ahead.name}`));
}

function bar({ value, low, high }, side) {
  return h("div.bar", { class: side.kind, vars: { "--share": value, "--low": low, "--high": high } }, h("span.interval"));
}
