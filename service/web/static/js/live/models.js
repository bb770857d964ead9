// A card for each version: estimated accuracy, figures beside those of the holdout, tests.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { testTable } from "./tests.js";

const FAMILIES = new Set(["mlp", "cnn"]);

/** Cards of all models. */
export function modelCards(models) {
  return models.map((model) => {
    const name = `${model.model}@${model.version}`;
    return h("section.card.family", { class: familyClass(model.model), "aria-label": `${name} ${model.precision}` },
      h("div.row.spread", h("h2.family-name", name), h("span.badge", model.precision)),
      accuracy(model),
      labelFree(model),
      figures(model),
      model.drift.length || model.coverage ? testTable(model) : h("p.small.muted", "The holdout predictions of this version are not available, so that nothing is tested."));
  });
}

/** Class with the color of the family. */
export function familyClass(family) {
  return FAMILIES.has(family) ? family : "plain";
}

function accuracy(model) {
  const found = model.accuracy;
  if (found === null) {
    return h("p.accuracy", h("strong.muted", "–"), h("span", "accuracy: no label yet of an image whose answer a client got"));
  }
  const none = model.none_of_these ? `, ${model.none_of_these} of them of no class` : "";
  return h("div.stack-tight",
    h("p.accuracy", h("strong", percent(found.value)), h("span", `accuracy, estimated from ${model.labelled.toLocaleString("en")} labels${none}`)),
    h("div.bar", { "aria-hidden": "true", vars: { "--share": found.value } }, h("span.interval", { vars: { "--low": found.low, "--high": found.high } })),
    h("p.small.muted", `95 % interval ${percent(found.low)} to ${percent(found.high)}, valid at every look`));
}

/** Estimate without labels with its measured error, or the reason why there is none. */
function labelFree({ label_free: found, label_free_reason: reason }) {
  if (found === null) return h("p.small.muted", `Without labels: no estimate, because ${reason}.`);
  return h("p.small", h("strong", `${percent(found.accuracy)} without labels`),
    `, from ${found.images.toLocaleString("en")} images that ${found.other} answered too. `,
    h("span.muted", `Measured error under corruptions: ${points(found.error)} on average, at most ${points(found.largest_error)}.`));
}

function points(share) {
  return `${(100 * share).toFixed(1)} points`;
}

function figures(model) {
  const rows = [
    ["Mean confidence", percent(model.mean_confidence), model.holdout_confidence === null ? null : percent(model.holdout_confidence)],
    ["Mean size of prediction sets", model.mean_set_size.toFixed(2), model.holdout_set_size?.toFixed(2)],
    ["Flagged as out of distribution", percent(model.flag_share), model.holdout_flag_share === null ? null : percent(model.holdout_flag_share)],
    model.coverage && ["Prediction sets without the true class", `${model.coverage.misses} of ${model.coverage.labels}`, percent(model.coverage.nominal_miss_rate)],
  ];
  const extra = model.images - model.in_response;
  return [
    h("div.table-box", { tabindex: 0, role: "group", "aria-label": `Figures of ${model.model}@${model.version}` }, h("table.live-figures",
      h("thead", h("tr", h("th", { scope: "col" }, "Figure"), h("th.number", { scope: "col" }, "Live"), h("th.number", { scope: "col" }, "Holdout"))),
      h("tbody", rows.filter(Boolean).map(([label, live, holdout]) => h("tr", h("th", { scope: "row" }, label), h("td.number", live), h("td.number", holdout ?? "–")))))),
    h("p.small.muted", `${model.images.toLocaleString("en")} images`, extra ? `, ${extra.toLocaleString("en")} of them answered for comparison only` : ""),
  ];
}
