// Overview of all families: champion, versions, and the audit trail of promotions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { gateReport } from "../parts/gate-report.js";
import { older } from "../parts/older.js";
import { count } from "../parts/size.js";
import { ago, exact } from "../parts/when.js";
import { errorNotice, toast } from "../toast.js";
import { archive, deleteModel, deleteVersion, promote, rollBack } from "./dialogs.js";
import { comparisonAddress, isForced, since, testAccuracy, versionAddress } from "./words.js";

const MOVES = 20;
/** Title and kind of the badge of each action in the audit trail. */
const ACTIONS = { promote: ["Promoted", ""], rollback: ["Rolled back", "warning"], archive: ["Archived", "warning"], delete: ["Deleted", "bad"] };

/** Fill `place` with all families. */
export async function overview(place) {
  if (!place.hasChildNodes()) fill(place, h("p.loading", "Loading the models"));
  try {
    const [{ models }, readiness] = await Promise.all([askJSON("/models"), readinessNow()]);
    const families = await Promise.all(models.map(async ({ model }) => {
      const path = `/models/${encodeURIComponent(model)}`;
      const [detail, trail] = await Promise.all([askJSON(path), askJSON(`${path}/promotions`, { query: { limit: MOVES } })]);
      return { ...detail, trail, serving: readiness.find((one) => one.model === model) };
    }));
    if (!families.length) return fill(place, h("div.empty", h("p", "No version has been published yet."), h("a.button", { href: "/ui/jobs?new=train" }, "Start a training")));
    fill(place, compareForm(families), families.map((family) => familySection(family, () => overview(place))));
  } catch (error) {
    fill(place, errorNotice(error));
  }
}

/** The served version of each family; /readyz also lists them in its 503 response. */
async function readinessNow() {
  try {
    return (await askJSON("/readyz", { query: { verbose: true } })).models;
  } catch (error) {
    return error.fields?.models ?? [];
  }
}

/** Form that chooses two versions to compare, the champions by default. */
function compareForm(families) {
  const references = families.flatMap(({ model, versions }) => versions.toReversed().map(({ version }) => `${model}@${version}`));
  if (references.length < 2) return null;
  const champions = families.filter(({ champion }) => champion !== null).map(({ model, champion }) => `${model}@${champion}`);
  const [first, second] = [...champions, ...references.filter((one) => !champions.includes(one))];
  const select = (name, label, chosen) => h("label.pick", h("span.visually-hidden", label),
    h("select", { name }, references.map((one) => h("option", { value: one, selected: one === chosen }, one))));
  return h("form.compare-form.row", { action: "/ui/comparison", method: "get" },
    h("span", "Compare"), select("first", "First version", first), h("span", "with"), select("second", "Second version", second),
    h("button.button", { type: "submit" }, "Compare"));
}

/** Execution providers of the served version: those that run it, and those that were refused. */
function runBy(serving) {
  const providers = serving?.providers ?? [];
  const running = providers.filter(({ state }) => state === "loaded").map(({ provider, precision, images_per_second: rate }) =>
    `${provider} in ${precision}${rate === null ? "" : ` (${count(Math.round(rate))} images per second and thread)`}`);
  const refused = providers.filter(({ state }) => state === "refused").map(({ provider, precision, reason }) => `${provider} in ${precision}: ${reason}`);
  return running.length > 0 && h("p.small.muted", `Run by ${running.join(", ")}.`, refused.length > 0 && ` Refused: ${refused.join("; ")}.`);
}

function familySection(family, refresh) {
  const { model, champion, versions, trail, serving } = family;
  const title = `family-${model}`;
  const moves = [...trail.promotions, ...trail.shipped];
  const newest = moves.find(({ action }) => action !== "delete");
  const home = versions.every(({ layer }) => layer !== "shipped");
  const back = h("button.button", { type: "button" }, "Roll back…");
  back.addEventListener("click", async () => {
    const move = await rollBack(model, champion);
    if (move) done(`${model}@${move.promotion.to_version} is the champion again.`, move, refresh);
  });
  const retire = h("button.button.quiet", { type: "button" }, champion === null ? `Delete ${model}…` : `Archive ${model}…`);
  retire.addEventListener("click", async () => {
    const move = await (champion === null ? deleteModel(model, versions) : archive(model, champion));
    if (move) done(champion === null ? `${model} is deleted.` : `${model} is archived.`, move, refresh);
  });
  return h("section.family-section", { class: colorOf(model, versions), "aria-labelledby": title },
    h("div.row.spread", h("h2.family-name", { id: title }, model),
      h("div.actions", home && retire, (trail.promotions.length > 0 || trail.shipped.length > 1) && back)),
    h("div.card.family.champion",
      champion === null
        ? h("p", "It has no champion: promote a version to serve it.")
        : [h("p.champion-line", h("a", { href: versionAddress(model, champion) }, `${model}@${champion}`), " is served."), since(newest?.to_version === champion ? newest : null), runBy(serving)],
      serving?.reason && h("div.notice.bad", h("p", serving.served === null ? `No version is served: ${serving.reason}.` : `${model}@${serving.served}` + ` is served instead: ${serving.reason}.`))),
    versionList(family, refresh),
    moves.length > 0 && trailOf(model, trail));
}

function versionList({ model, champion, versions }, refresh) {
  const known = versions.map(({ test_accuracy: accuracy }) => accuracy).filter(Boolean);
  const low = Math.min(...known.map((one) => one.low));
  const high = Math.max(...known.map((one) => one.high));
  const place = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  const best = versions.find((one) => one.version === champion)?.test_accuracy;
  return h("ul.version-list", versions.toReversed().map((one) => {
    const reference = `${model}@${one.version}`;
    const forward = async () => {
      const move = await promote(model, one.version);
      if (move) done(`${reference} is the champion.`, move, refresh);
    };
    const remove = async () => {
      const deleted = await deleteVersion(model, one.version);
      if (deleted) done(`${reference} is deleted.`, deleted, refresh);
    };
    return h("li.version-row",
      h("div", h("a.version-name", { href: versionAddress(model, one.version) }, reference), " ",
        one.champion && h("span.badge.good", "Champion"), one.refused && h("span.badge.bad", "Not served"),
        h("p.small.muted", [one.recipe, one.layer === "shipped" ? "shipped" : null].filter(Boolean).join(", "), one.created_at && [" · ", ago(one.created_at)])),
      one.refused && h("p.notice.bad.version-refused", `${one.refused}.`),
      one.test_accuracy && h("div.version-accuracy", h("p.small", h("span.visually-hidden", "Test accuracy with 95 % interval: "), testAccuracy(one)),
        h("div.interval-plot", { "aria-hidden": "true", vars: {
          "--low": place(one.test_accuracy.low), "--high": place(one.test_accuracy.high), "--value": place(one.test_accuracy.value),
          "--champion": best ? place(best.value) : -1 } }, h("i"), h("b"))),
      one.metrics && h("dl.version-facts", [
        ["Macro F1", one.metrics.test_macro_f1.toFixed(3)], ["Log loss", one.metrics.test_log_loss.toFixed(3)],
        ["Calibration error", one.metrics.test_ece.toFixed(3)], ["Parameters", count(one.cost.parameters)],
      ].map(([name, value]) => h("div", h("dt", name), h("dd", value)))),
      h("div.actions.version-actions",
        !one.champion && h("button.button", { type: "button", onclick: forward, "aria-label": `Promote ${reference}…` }, "Promote…"),
        !one.champion && champion !== null && h("a.button.quiet", { href: comparisonAddress(reference, `${model}@${champion}`), "aria-label": `Compare ${reference} with the champion` }, "Compare"),
        !one.champion && one.layer !== "shipped" && h("button.button.quiet", { type: "button", onclick: remove, "aria-label": `Delete ${reference}…` }, "Delete…")));
  }));
}

function trailOf(model, { promotions, shipped, next_cursor: next }) {
  const list = h("ol.trail", [...promotions, ...shipped].map(moved));
  const earlier = older("Earlier moves", next, async (cursor) => {
    const page = await askJSON(`/models/${encodeURIComponent(model)}/promotions`, { query: { limit: MOVES, cursor } });
    list.append(...[...page.promotions, ...page.shipped].map(moved));
    return page.next_cursor;
  });
  return h("details.audit", h("summary", "Audit trail"), list, earlier);
}

function moved(move) {
  const { action, family, from_version: from, to_version: to, actor, reason, at, evidence } = move;
  const [title, kind] = ACTIONS[action];
  return h("li",
    h("p.row", h("time.small.muted", { datetime: at }, exact(at)),
      h("span.badge", { class: kind }, title), isForced(move) && h("span.badge.bad", "Forced")),
    h("p", [from, to].filter((version) => version !== null).map((version) => `${family}@${version}`).join(" → "), h("span.muted", ` by ${actor}: `), h("q", reason)),
    evidence?.gate && gateReport(evidence.gate, { open: false }));
}

function done(text, move, refresh) {
  const late = move.serving?.champion && !move.served; // a deletion loads nothing, and an archived model has no champion
  toast(text, { kind: "good", detail: !late ? null : `It is not served yet: ${move.serving.reason ?? "it is being loaded"}` });
  refresh();
}

function colorOf(model, versions) {
  const recipe = versions.at(-1)?.recipe ?? "";
  return ["mlp", "cnn"].find((kind) => model === kind) ?? ["mlp", "cnn"].find((kind) => recipe.startsWith(kind)) ?? null;
}
