// Comparison page: the address names two versions, /metrics/compare returns everything else.
import { askJSON } from "./api.js";
import { calibration } from "./comparison/calibration.js";
import { classes } from "./comparison/classes.js";
import { confusion } from "./comparison/confusion.js";
import { cost } from "./comparison/cost.js";
import { robustness } from "./comparison/robustness.js";
import { sidesOf } from "./comparison/sides.js";
import { cards, verdict } from "./comparison/verdict.js";
import { byId, fill, h } from "./dom.js";
import { choose } from "./parts/choose.js";
import { errorNotice } from "./toast.js";
import { service } from "./root.js";

// Models that GET /metrics/compare compares without parameters.
const DEFAULTS = { first: "mlp", second: "cnn" };
const place = byId("comparison");
const [first, second] = [byId("first"), byId("second")];
let asking = new AbortController();
let chart = null;

async function show() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const query = { first: asked(first), second: asked(second) };
  if (place.hasChildNodes()) place.setAttribute("aria-busy", "true");
  else fill(place, h("p.loading", "Comparing"));
  try {
    const data = await askJSON("/metrics/compare", { query, signal });
    const sides = sidesOf(data);
    choose(first, sides[0].name);
    choose(second, sides[1].name);
    chart?.destroy();
    chart = null;
    const reliability = calibration(data, sides);
    fill(place, sections(data, sides, reliability.section));
    byId("said").textContent = data.significance.headline;
    const drawn = await reliability.draw();
    if (signal.aborted) return drawn.destroy(); // another pair was chosen meanwhile
    chart = drawn;
  } catch (error) {
    if (error.name === "AbortError") return;
    for (const select of [first, second]) if (asked(select).includes("@") || !select.value) choose(select, asked(select));
    fill(place, errorNotice(error), possible(error));
  }
  place.removeAttribute("aria-busy");
}

function sections(data, sides, reliability) {
  return [
    verdict(data, sides),
    cards(data, sides),
    classes(data, sides),
    confusion(data, sides),
    reliability,
    robustness(data, sides),
    cost(data, sides),
    h("p.section.small.muted", "As JSON: ", h("code.break", `curl '${service}/metrics/compare?first=${sides[0].name}&second=${sides[1].name}'`)),
  ];
}

/** Links to comparisons that are possible, if these two versions have different classes or test images. */
function possible(error) {
  const pairs = Object.entries(error.fields?.comparable ?? {}).filter(([, others]) => others.length);
  return pairs.length ? h("dl.facts.section", pairs.map(([name, others]) => [
    h("dt", `Compare ${name} with`),
    h("dd.row", others.map((other) => h("a", { href: `?${new URLSearchParams({ first: name, second: other })}` }, other))),
  ])) : null;
}

async function fillChoosers() {
  const { models } = await askJSON("/models");
  for (const select of [first, second]) {
    const chosen = select.value || versionOf(asked(select), models);
    fill(select, models.map(({ model, champion, versions }) => h("optgroup", { label: model }, versions.toReversed().map((version) =>
      h("option", { value: `${model}@${version}` }, `${model}@${version}${version === champion ? ", champion" : ""}`)))));
    if (chosen) choose(select, chosen);
    else select.selectedIndex = -1; // the comparison is still loading: the first option would be a guess
  }
}

/** Reference of `select` in the address, or the model that the service compares by default. */
function asked(select) {
  return new URLSearchParams(location.search).get(select.id) ?? DEFAULTS[select.id];
}

/** "cnn" -> "cnn@4", its champion; "" if it has none. */
function versionOf(reference, models) {
  if (reference.includes("@")) return reference;
  const champion = models.find(({ model }) => model === reference)?.champion;
  return champion ? `${reference}@${champion}` : "";
}

function chosen() {
  history.pushState(null, "", `?${new URLSearchParams({ first: first.value || asked(first), second: second.value || asked(second) })}`);
  show();
}

byId("chooser").addEventListener("submit", (event) => event.preventDefault());
first.addEventListener("change", chosen);
second.addEventListener("change", chosen);
byId("swap").addEventListener("click", () => {
  [first.value, second.value] = [second.value, first.value];
  chosen();
});
window.addEventListener("popstate", show);

fillChoosers().catch(() => {}); // the comparison reports errors of the service
await show();
