// The page of jobs: all of them, one of them, a form that starts one, or the data sets, as the address says.
import { byId } from "./dom.js";
import { heading } from "./parts/heading.js";

const place = byId("jobs-view");
const query = new URLSearchParams(location.search);

if (query.get("job")) {
  const { jobView } = await import("./jobs/job-view.js");
  await jobView(place, query.get("job"));
} else if (query.get("new") === "train") {
  heading("A recipe is a whole configuration. Change what you like; the service checks it before anything runs.", "New training");
  const { trainView } = await import("./jobs/train-view.js");
  await trainView(place, query);
} else if (query.get("new") === "evaluate") {
  heading("Measures published versions again, on images they were not trained on. The versions stay as they are.", "New evaluation");
  const { evaluateView } = await import("./jobs/evaluate-view.js");
  await evaluateView(place, query);
} else if (query.has("data")) {
  heading("Images of your own, a folder for each class: two classes at least, with four images each.", "Data sets");
  const { dataView } = await import("./jobs/data-view.js");
  await dataView(place);
} else {
  heading("Trainings and evaluations, newest first. They go on when you leave, and are here when you come back.");
  const { listView } = await import("./jobs/list-view.js");
  await listView(place);
}
