// Shadow trials: verdict, evidence of both sides, counts of the compared images, and the end.
import { h } from "../dom.js";
import { points } from "../format.js";
import { ago } from "../parts/when.js";
import { familyClass } from "./models.js";
import { evidenceText, towardsAlarm } from "./tests.js";

const ENDS = {
  verdict: "Verdict", label_budget: "Label budget used up", time: "Time is over", request: "Ended by request",
  champion_changed: "Champion changed", challenger_deleted: "Challenger deleted",
};

/** Section with the newest trial of each model; null without any. */
export function shadowTrials(trials) {
  return trials.length ? h("section.section", { "aria-label": "Shadow trials" }, h("h2", "Shadow trials"), h("div.live-models", trials.map(card))) : null;
}

/** Verdict of a trial as a sentence. */
export function verdictText({ model, champion, challenger, plan, result }) {
  const [old, other] = [`${model}@${champion}`, `${model}@${challenger}`];
  return {
    challenger_better: `${other} is more accurate than ${old}.`,
    champion_better: `${old} is more accurate than ${other}.`,
    no_difference: `The accuracies differ by less than ${(100 * plan.margin).toFixed(1)} points.`,
    undecided: "Undecided.",
  }[result.verdict];
}

function card(trial) {
  const { model, champion, challenger, result, end } = trial;
  const { difference } = result;
  return h("section.card.family", { class: familyClass(model), "aria-label": `Trial of ${model}@${challenger}` },
    h("div.row.spread", h("h3.family-name", `${model}@${challenger} against ${model}@${champion}`), h(`span.badge${end ? "" : ".good"}`, end ? ENDS[end.reason] ?? end.reason : "Running")),
    h("p", h("strong", verdictText(trial))),
    h("p.small.muted", `Difference in accuracy ${points(difference.value)} points, 95 % interval ${points(difference.low)} to ${points(difference.high)}, valid at every look`),
    evidence(trial),
    counts(trial),
    h("p.small.muted", "Started ", ago(trial.started_at), ` for ${Math.round(100 * trial.plan.share)} % of the requests`, end ? [", ended ", ago(end.at), "."] : `. ${trial.labels_left.toLocaleString("en")} labels are left.`),
    trial.promotion && h("p.small", h("strong", trial.promotion.promoted ? "Promoted: " : "Not promoted: "), trial.promotion.detail));
}

function evidence({ model, champion, challenger, result }) {
  const limit = result.decisive_evidence;
  return [[challenger, result.evidence_challenger], [champion, result.evidence_champion]].map(([version, value]) =>
    h("div.live-evidence", h("span.small", `Evidence that ${model}@${version} is better: ${evidenceText(value)}, decisive at ${evidenceText(limit)}`),
      h("div.progress", { class: value >= limit ? "decisive" : "", vars: { "--share": towardsAlarm(value, limit) } })));
}

function counts({ model, champion, challenger, result: { counts: found }, dropped }) {
  const rows = [
    ["Same answer", found.agreements],
    [`Only ${model}@${challenger} is right`, found.challenger_right],
    [`Only ${model}@${champion} is right`, found.champion_right],
    ["Both are wrong, with different answers", found.neither],
    ["Different answers without a label", found.unlabelled],
    ["Not compared, no idle time", dropped],
  ];
  return h("div.table-box", { tabindex: 0, role: "group", "aria-label": `Images of the trial of ${model}@${challenger}` }, h("table.live-figures",
    h("thead", h("tr", h("th", { scope: "col" }, "Images"), h("th.number", { scope: "col" }, "Number"))),
    h("tbody", rows.map(([label, number]) => h("tr", h("th", { scope: "row" }, label), h("td.number", number.toLocaleString("en")))))));
}
