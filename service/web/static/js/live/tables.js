// Class mix with precision and recall, and the disagreement of the families.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { familyClass } from "./models.js";

/** Section with the classes of each model. */
export function classTables(models) {
  return h("section.section", h("h2", "Classes"),
    h("p.small.muted", "The line in each bar is the share on the holdout. Precision and recall are estimated from labels, each with a 95 % interval of its own."),
    h("div.live-classes", models.map(classTable)));
}

/** Section with the share of images to which two families give different answers; null without any. */
export function disagreements(pairs) {
  if (!pairs.length) return null;
  return h("section.section", h("h2", "Disagreement of the families"),
    h("div.table-box", { tabindex: 0, role: "group", "aria-label": "Disagreement of the families" }, h("table",
      h("thead", h("tr", h("th", { scope: "col" }, "Versions"), h("th.number", { scope: "col" }, "Images of both"), h("th.number", { scope: "col" }, "Different answers"))),
      h("tbody", pairs.map(({ first, second, images, share }) => h("tr",
        h("th", { scope: "row" }, `${first} and ${second}`), h("td.number", images.toLocaleString("en")), h("td.number", percent(share))))))));
}

function classTable(model) {
  const name = `${model.model}@${model.version} ${model.precision}`;
  const largest = Math.max(...model.classes.map((each) => Math.max(each.share, each.holdout_share ?? 0)));
  return h("div.table-box.live-class-box", { class: familyClass(model.model), tabindex: 0, role: "group", "aria-label": `Classes of ${name}` }, h("table",
    h("caption", name),
    h("thead", h("tr", h("th", { scope: "col" }, "Class"), h("th", { scope: "col" }, "Share"), h("th.number", { scope: "col" }, "Precision"), h("th.number", { scope: "col" }, "Recall"))),
    h("tbody", model.classes.map((each) => h("tr",
      h("th", { scope: "row" }, each.label),
      h("td", share(each, largest)), h("td.number", interval(each.precision, each.predicted)), h("td.number", interval(each.recall, each.labelled)))))));
}

function share({ share: live, holdout_share: holdout }, largest) {
  const beside = holdout === null ? "" : ` (${percent(holdout)})`;
  return h("div.live-share",
    h("div.bar", { "aria-hidden": "true", vars: { "--share": live / largest } }, holdout !== null && h("span.live-mark", { vars: { "--at": holdout / largest } })),
    h("span.small", percent(live), h("span.muted", beside)));
}

function interval(estimate, labels) {
  if (estimate === null) return h("span.muted", "–");
  return [percent(estimate.value, 0), h("br"), h("span.small.muted.nowrap", `${(100 * estimate.low).toFixed(0)}–${(100 * estimate.high).toFixed(0)} %, n = ${labels}`)];
}
