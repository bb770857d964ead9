// Jobs page: list, one job or run, curves of several, a form, the data sets, or one of them, depending on the address.
import { byId } from "./dom.js";
import { heading } from "./parts/heading.js";

const place = byId("jobs-view");
const query = new URLSearchParams(location.search);

if (query.get("job")) {
  const { jobView } = await import("./jobs/job-view.js");
  await jobView(place, query.get("job"));
} else if (query.get("run")) {
  const { runView } = await import("./jobs/runs.js");
  await runView(place, query.get("run"));
} else if (query.get("curves")) {
  const { overlayView } = await import("./jobs/overlay.js");
  await overlayView(place, query.get("curves").split(","));
} else if (query.get("new") === "train") {
  heading("A recipe is a complete configuration. The service validates your changes before the job starts.", "New training");
  const { trainView } = await import("./jobs/train-view.js");
  await trainView(place, query);
} else if (query.get("new") === "evaluate") {
  heading("Evaluates published versions again on test images. The versions do not change.", "New evaluation");
  const { evaluateView } = await import("./jobs/evaluate-view.js");
  await evaluateView(place, query);
} else if (query.get("data")) {
  const { setView } = await import("./jobs/set-view.js");
  await setView(place, query.get("data"));
} else if (query.has("data")) {
  heading("Your own images, one folder per class: at least two classes, with four images or more each. Two are the minimum.", "Data sets");
  const { dataView } = await import("./jobs/data-view.js");
  await dataView(place);
} else {
  heading("Trainings, evaluations, batch predictions and downloads, newest first. They continue when you leave this page.");
  const { listView } = await import("./jobs/list-view.js");
  await listView(place);
}
