// Training runs from the command line: texts, and their page.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { heading, loading } from "../parts/heading.js";
import { ago, clock, duration } from "../parts/when.js";
import { errorNotice } from "../toast.js";
import { trainingCharts } from "./charts.js";

const POLL_MS = 2000;

const STATES = { running: ["Running", "warning"], interrupted: ["Interrupted", ""], published: ["Done", "good"] };

/** Text and badge class of a run's state. */
export function runStateOf(state) {
  const [text, kind] = STATES[state];
  return { text, kind };
}

/** Recipe of the run, or its name if an older release has not recorded it. */
export function runTitleOf({ recipe, name }) {
  return recipe ?? name;
}

/** "Command line, on cifar10, as cnn". */
export function runSubtitleOf({ data, family, name, recipe }) {
  return ["Command line", data && `on ${data}`, family && `as ${family}`, recipe && `run ${name}`].filter(Boolean).join(", ");
}

/** Architecture of the recipe, for its color: "mlp", "cnn", or "" if unknown. */
export function runColorOf({ recipe }) {
  return ["mlp", "cnn"].find((family) => recipe?.startsWith(family)) ?? "";
}

/** Progress or result in one line. */
export function runLineOf({ state, epoch, epochs, accuracy, published, started_at: started, updated_at: updated, seconds_left: left }, now = Date.now()) {
  if (state === "published") return [`Published ${published}`, accuracy !== null && `${percent(accuracy)} in the last epoch`].filter(Boolean).join(" · ");
  const since = (now - Date.parse(updated)) / 1000; // the epoch that runs
  return [
    epochs && `epoch ${epoch} of ${epochs}`,
    accuracy !== null && `accuracy ${percent(accuracy)}`,
    state === "running" && `${duration(Math.max(0, (now - Date.parse(started)) / 1000))} elapsed`,
    left ? `about ${duration(Math.max(1, left - since))} left` : null,
    state === "interrupted" && "stopped without a version",
  ].filter(Boolean).join(" · ");
}

/** Share of complete epochs; null if unknown. */
export function runShareOf({ epoch, epochs }) {
  return epochs ? Math.min(1, epoch / epochs) : null;
}

/** Epochs of a run as points of the charts. */
export function pointsOf(history) {
  return history.map((each) => ({
    epoch: each.epoch, trainLoss: each.train_loss, trainAccuracy: each.train_accuracy,
    validationLoss: each.validation_loss, validationAccuracy: each.validation_accuracy,
  }));
}

/** Fill `place` with the page of a run, which follows it while it trains. Nothing on it changes the run. */
export async function runView(place, name) {
  loading("Loading the run");
  const path = `/runs/${encodeURIComponent(name)}`;
  try {
    const run = await askJSON(path);
    const page = new RunPage(run);
    place.append(page.element);
    await page.start();
    // Shown when it is complete, so that nothing visible moves.
    heading(`${runSubtitleOf(run)}.`, runTitleOf(run));
    page.element.classList.remove("preparing");
    follow(path, page);
  } catch (error) {
    heading("", "Run");
    fill(place, errorNotice(error));
  }
}

function follow(path, page) {
  const again = async () => {
    if (!document.hidden) {
      try {
        page.show(await askJSON(path));
      } catch {
        page.lose();
      }
    }
    if (page.run.state === "running") setTimeout(again, POLL_MS);
  };
  if (page.run.state === "running") setTimeout(again, POLL_MS);
}

class RunPage {
  constructor(run) {
    this.run = run;
    this.heard = new Date();
    this.badge = h("span.badge");
    this.connection = h("p.small.connection", { role: "status" });
    this.bar = h("div.progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.line = h("p.small");
    this.note = h("div");
    this.curves = h("div.curves");
    this.facts = h("dl.facts");
    this.element = h("div.job-page.preparing",
      h("div.job-head.stack-tight", { class: runColorOf(run) }, h("div.row.spread", h("div.row", this.badge, this.connection)), this.bar, this.line),
      this.note, this.curves, h("section.card.stack-tight", h("h2", "Run"), this.facts));
  }

  async start() {
    this.charts = await trainingCharts(this.curves, runColorOf(this.run));
    this.show(this.run);
  }

  show(run) {
    this.run = run;
    this.heard = new Date();
    this.connection.textContent = run.state === "running" ? "Live, by epoch" : "";
    this.connection.dataset.state = run.state === "running" ? "live" : "ended";
    const { text, kind } = runStateOf(run.state);
    this.badge.className = `badge ${kind}`;
    this.badge.textContent = text;
    const share = runShareOf(run);
    this.bar.hidden = share === null || run.state !== "running";
    this.bar.style.setProperty("--share", share ?? 0);
    this.bar.setAttribute("aria-valuenow", Math.round(100 * (share ?? 0)));
    this.line.textContent = runLineOf(run);
    fill(this.note, noteOf(run));
    this.curves.hidden = !run.history.length && run.state !== "running";
    this.curves.classList.toggle("waiting", !run.history.length);
    if (!this.curves.hidden) this.charts.update({ epochs: pointsOf(run.history), tip: null }, run.epochs ?? run.history.length);
    fill(this.facts, factsOf(run));
  }

  lose() {
    this.connection.textContent = `No answer since ${clock(this.heard)}. The training does not depend on the service.`;
    this.connection.dataset.state = "lost";
  }
}

function noteOf({ state, published }) {
  if (state === "interrupted") return h("div.notice", h("p", "No process trains in this folder, and no version was published from it. Repeat the command with --resume to continue, or with --restart to start over."));
  if (state !== "published") return null;
  const [family, version] = published.split("@");
  return h("div.notice.good", h("p", "Published ", h("a", { href: `/ui/models?model=${encodeURIComponent(family)}&version=${version}` }, published), "."));
}

function factsOf({ name, recipe, data, family, seed, started_at: started, updated_at: updated, history }) {
  const facts = [
    ["Started", ago(started)], ["Last change", ago(updated)],
    history.length > 0 && ["Time in epochs", duration(history.reduce((sum, { seconds }) => sum + seconds, 0))],
    recipe && ["Recipe", recipe], data && ["Data", data], family && ["Family", family], seed !== null && ["Seed", seed],
    ["Run", h("span.mono.break", name)],
  ];
  return facts.filter(Boolean).map(([label, value]) => [h("dt", label), h("dd", value)]);
}
