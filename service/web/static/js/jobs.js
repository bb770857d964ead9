// The page of jobs: all of them, one of them, a form that starts one, or the data sets, as the address says.
import { byId } from "./dom.js";

const place = byId("jobs-view");
const query = new URLSearchParams(location.search);

function say(title, summary) {
  byId("jobs-title").textContent = title;
  byId("jobs-summary").textContent = summary;
  byId("jobs-back").hidden = false;
  document.title = `${title} · Duet`;
}

if (query.get("job")) {
  say("Job", "");
  const { jobView } = await import("./jobs/job-view.js");
  await jobView(place, query.get("job"));
} else if (query.get("new") === "train") {
  say("New training", "A recipe is a whole configuration. Change what you like; the service checks it before anything runs.");
  const { trainView } = await import("./jobs/train-view.js");
  await trainView(place, query);
} else if (query.get("new") === "evaluate") {
  say("New evaluation", "Measures published versions again, on images they were not trained on. The versions stay as they are.");
  const { evaluateView } = await import("./jobs/evaluate-view.js");
  await evaluateView(place, query);
} else if (query.has("data")) {
  say("Data sets", "Images of your own, a folder for each class. A class needs at least four, and two classes are the least.");
  const { dataView } = await import("./jobs/data-view.js");
  await dataView(place);
} else {
  const { listView } = await import("./jobs/list-view.js");
  await listView(place);
}
