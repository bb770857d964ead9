// Verdict: the significance test in words, paired outcomes, and the main metrics of each version.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { count } from "../parts/size.js";
import { agoText } from "../parts/when.js";
import { interval, plain, shareInterval, unbroken } from "./figures.js";

/** The verdict, the difference with its interval, and the paired outcomes. */
export function verdict(data, sides) {
  const { significance, paired } = data;
  const winner = { first_better: sides[0], second_better: sides[1] }[significance.verdict];
  return h("section.verdict.card", { class: winner ? `family ${winner.kind}` : null, "aria-labelledby": "verdict" },
    h("div.verdict-words", h("h2", { id: "verdict" }, significance.headline), h("p", unbroken(significance.sentence)),
      h("p.small.muted", `${data.data.name}, ${count(paired.images)} ${data.data.split} images, digest `, h("code", { title: data.data.digest }, data.data.digest.slice(0, 12)))),
    h("div.verdict-figures", strip(paired, sides), outcomes(paired, sides)));
}

/** Where the difference lies: to the left the first version is better, to the right the second. */
function strip({ difference }, sides) {
  const most = scale(Math.max(Math.abs(difference.low), Math.abs(difference.high)));
  const at = (value) => 0.5 - value / (2 * most);
  return h("figure.strip",
    h("figcaption", "Difference in accuracy in percentage points, with 95 % interval"),
    h("div.strip-plot", { "aria-hidden": "true", vars: { "--low": at(difference.high), "--high": at(difference.low), "--value": at(difference.value) } }, h("i"), h("b")),
    h("div.strip-axis", { "aria-hidden": "true" },
      sides.map((side) => h("span", `${+(100 * most).toFixed(1)} for ${side.name}`)).toSpliced(1, 0, h("span", "0"))));
}

/** The next round figure above: 0.3118 -> 0.5, 0.004 -> 0.005; at least half a point. */
function scale(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 0.005)));
  return unit * [1, 2, 5, 10].find((step) => unit * step >= value - 1e-12);
}

function outcomes(paired, sides) {
  const { images, both_right: both, only_first_right: one, only_second_right: other, both_wrong: none } = paired;
  const parts = [
    ["both", "Both correct", both],
    [sides[0].kind, `Only ${sides[0].name} correct`, one],
    [sides[1].kind, `Only ${sides[1].name} correct`, other],
    ["none", "Neither correct", none],
  ];
  return h("figure.outcomes",
    h("figcaption", "Correct predictions, image by image"),
    h("div.outcome-bar", { "aria-hidden": "true" }, parts.filter(([, , number]) => number > 0).map(([kind, , number]) => h("span", { class: kind, vars: { "--share": number / images } }))),
    h("dl.outcome-list", parts.map(([kind, name, number]) => h("div", { class: kind }, h("dt", name), h("dd", count(number), h("span.muted", ` ${percent(number / images)}`))))),
    h("p.small.muted", `Both predict the same class for ${percent(paired.agreement)} of the images`,
      paired.cohen_kappa === null ? "." : `; Cohen's kappa is ${plain(paired.cohen_kappa, 2)}.`));
}

/** One card for each version. */
export function cards(data, sides) {
  return h("div.columns.section", sides.map((side) => card(side, data.paired.images)));
}

function card({ name, kind, model }, images) {
  const { scores, probability } = model;
  const figures = [
    ["Macro F1", percent(scores.macro.f1.value), shareInterval(scores.macro.f1)],
    ["Top-2 accuracy", percent(scores.top2_accuracy.value), shareInterval(scores.top2_accuracy)],
    ["Log loss", plain(probability.log_loss.value), interval(probability.log_loss)],
    ["Brier score", plain(probability.brier.value), interval(probability.brier)],
    ["Calibration error", percent(probability.ece.value), shareInterval(probability.ece)],
  ];
  return h("section.card.family.version-card", { class: kind, "aria-label": name },
    h("div.row.spread", h("h2.family-name", name), model.champion && h("span.badge.good", "Champion")),
    h("p.accuracy", h("strong", percent(scores.accuracy.value, 2)), h("span.muted", "accuracy, ", h("span.nowrap", shareInterval(scores.accuracy, 2)), h("span.nowrap", `, n = ${count(images)}`))),
    h("dl.figures", figures.map(([title, value, range]) => h("div", h("dt", title), h("dd", value), h("dd.muted", range)))),
    h("p.small.muted", `${model.recipe}, ${agoText(model.created_at)} · `,
      h("a", { href: `/ui/models?${new URLSearchParams({ model: model.model, version: model.version })}` }, "model card")));
}
