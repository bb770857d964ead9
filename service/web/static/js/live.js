// Live page: figures, tests and alarms of captured traffic, and shadow trials, fetched again every few seconds while the page is visible.
import { askJSON } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { alarms, said } from "./live/alarms.js";
import { modelCards } from "./live/models.js";
import { classTables, disagreements } from "./live/tables.js";
import { shadowTrials } from "./live/trials.js";
import { ago } from "./parts/when.js";
import { errorNotice } from "./toast.js";
import { service } from "./root.js";

const EVERY_MS = 5000;
const place = byId("live");
let shown = null;

async function refresh() {
  try {
    const figures = await askJSON("/metrics/live");
    const stamp = JSON.stringify([figures.updated, figures.capturing, figures.trials]);
    if (stamp === shown) return;
    shown = stamp;
    fill(place, figures.models.length ? sections(figures) : nothing(figures));
    byId("said").textContent = said(figures.alarms);
  } catch (error) {
    if (shown === null || error.status) fill(place, errorNotice(error));
    else if (!place.querySelector("[role=alert]")) place.prepend(errorNotice(error));
    shown = null;
  }
}

function sections(figures) {
  return [
    alarms(figures),
    shadowTrials(figures.trials),
    h("p.section.small.muted", `${figures.images.toLocaleString("en")} recent images`, ", the last one ", ago(figures.until), figures.capturing ? "." : ". Capture is off now: no new image is stored."),
    h("div.live-models", modelCards(figures.models)),
    classTables(figures.models),
    disagreements(figures.disagreements),
    h("p.section.small.muted", "As JSON: ", h("code.break", `curl ${service}/metrics/live`)),
  ];
}

function nothing({ capturing, alarms: raised, trials, ...figures }) {
  return [
    raised.length ? alarms({ alarms: raised, ...figures }) : null,
    shadowTrials(trials),
    h("div.empty", capturing
      ? [h("p", "No request has been stored yet."), h("p.small", "Figures appear here seconds after the first one.")]
      : [h("p", "Capture is off: the service stores no requests."),
        h("p.small", "Start it with a share of the requests to store, for example ", h("code.break", "DUET_CAPTURE_SHARE=0.1"), ".")]),
  ];
}

setInterval(() => document.hidden || refresh(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
await refresh();
