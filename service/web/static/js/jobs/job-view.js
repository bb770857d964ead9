// Job page: progress, curves, log, result and actions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { gateReport } from "../parts/gate-report.js";
import { heading, loading } from "../parts/heading.js";
import { ago, duration, exact } from "../parts/when.js";
import { withKey } from "../session.js";
import { errorNotice, toastError } from "../toast.js";
import { trainingCharts } from "./charts.js";
import { JobStory, isAfter } from "./curves.js";
import { FINAL, colorOf, lineOf, shareOf, stateOf, subtitleOf, titleOf } from "./describe.js";
import { readable } from "./fields.js";
import { follow } from "./follow.js";
import { JobLog } from "./log.js";

const CONNECTIONS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting. The service does not respond; the job resumes from its last checkpoint when the service is back.",
  ended: "",
};
// The page is shown after this time, even if the events have not arrived.
const PATIENCE_MS = 1500;
// Events that change the record, other than progress.
const RECORDED = new Set(["claimed", "cancelling", "interrupted", "retried", "finished"]);

/** Fill `place` with the page of a job and follow it. */
export async function jobView(place, id) {
  loading("Loading the job");
  try {
    const job = await askJSON(`/jobs/${encodeURIComponent(id)}`);
    await new JobPage(place, job).start();
  } catch (error) {
    heading("", "Job");
    fill(place, errorNotice(error));
  }
}

class JobPage {
  constructor(place, job) {
    this.job = job;
    this.story = new JobStory();
    this.log = new JobLog(job.id);
    this.stop = () => {};
    this.pending = false;

    this.badge = h("span.badge");
    this.connection = h("p.small.connection", { role: "status" });
    this.bar = h("div.progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.line = h("p.small");
    this.told = h("p.visually-hidden", { role: "status" });
    this.actions = h("div.actions");
    this.result = h("div.stack");
    this.curves = h("div.curves", { hidden: job.kind !== "train" });
    this.charts = null;
    this.notes = h("ul.notes");
    this.facts = h("dl.facts");
    // Hidden until the first events are drawn, so that nothing visible moves.
    this.page = h("div.job-page.preparing",
      h("div.job-head.stack-tight", { class: colorOf(job) }, h("div.row.spread", h("div.row", this.badge, this.connection), this.actions), this.bar, this.line),
      this.told, this.result, this.curves,
      h("div.job-columns", h("div.stack", this.log.element), h("div.stack",
        h("section.card.stack-tight", h("h2", "Parameters"), parametersOf(job)),
        h("section.card.stack-tight", h("h2", "Run"), this.facts, this.notes))));
    place.append(this.page);
  }

  #reveal() {
    if (!this.page.classList.contains("preparing")) return;
    heading(`${subtitleOf(this.job)}.`, titleOf(this.job));
    this.page.classList.remove("preparing");
  }

  async start() {
    if (this.job.kind === "train") this.charts = await trainingCharts(this.curves, colorOf(this.job));
    this.#showRecord();
    this.#draw();
    await this.log.refresh();
    setTimeout(() => this.#reveal(), PATIENCE_MS);
    this.#follow();
  }

  #follow() {
    this.stop();
    this.stop = follow(this.job.id, this.story.last, (id, event) => this.#take(id, event), (connection) => this.#say(connection));
  }

  #take(id, event) {
    if (!this.story.take(id, event)) return;
    if (RECORDED.has(event.event)) this.#refresh();
    if (event.event !== "progress") this.log.refresh();
    if (event.event === "epoch") this.told.textContent = epochText(event);
    // Events that arrive together are drawn together.
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.#draw();
      if (!isAfter(this.job.events, this.story.last)) this.#reveal();
    });
  }

  #draw() {
    const { job, story } = this;
    const { progress } = story;
    const shown = { ...job, progress: { ...job.progress, ...progress, stage: story.stage ?? job.progress?.stage } };
    const share = shareOf(shown);
    this.bar.hidden = share === null || FINAL.has(job.state);
    if (!this.bar.hidden) {
      this.bar.style.setProperty("--share", share);
      this.bar.setAttribute("aria-valuenow", Math.round(100 * share));
    }
    this.line.hidden = FINAL.has(job.state);
    this.line.textContent = lineOf(shown) || (job.state === "queued" ? "Waiting for a worker." : "Starting.");
    this.curves.hidden = this.charts === null || (FINAL.has(job.state) && story.ended !== null && !story.epochs.length);
    this.curves.classList.toggle("waiting", !story.epochs.length && story.tip === null);
    if (!this.curves.hidden) this.charts.update(story, progress?.epochs ?? job.progress?.epochs ?? story.epochs.at(-1)?.epoch ?? 1);
    fill(this.notes, story.notes.map(({ at, text }) => h("li", h("span.muted", { title: exact(at) }, exact(at).split(", ").at(-1)), " ", text)));
    if (story.promotion !== this.shownPromotion) this.#showResult();
  }

  #say(connection) {
    this.connection.textContent = CONNECTIONS[connection];
    this.connection.dataset.state = connection;
    if (connection === "live") this.log.refresh();
    if (connection === "ended") this.#refresh();
  }

  async #refresh() {
    try {
      this.#adopt(await askJSON(`/jobs/${encodeURIComponent(this.job.id)}`));
    } catch {
      // the connection state shows it; the next event retries
    }
  }

  /** Show the record, unless a newer one has already arrived. */
  #adopt(job) {
    if (isAfter(this.job.events, job.events)) return;
    this.job = job;
    this.#showRecord();
    this.#draw();
  }

  #showRecord() {
    const { job } = this;
    const { text, kind } = stateOf(job.state);
    this.badge.className = `badge ${kind}`;
    if (this.badge.textContent && this.badge.textContent !== text) this.told.textContent = `${text}. ${lineOf(job)}`;
    this.badge.textContent = text;
    fill(this.actions, this.#buttons());
    fill(this.facts, factsOf(job));
    this.#showResult();
  }

  #showResult() {
    const { job, story } = this;
    this.shownPromotion = story.promotion;
    fill(this.result,
      job.state === "failed" && h("div.notice.bad", h("p", h("strong", job.error?.type ?? "Failed")), h("p.break", job.error?.message ?? "")),
      job.state === "cancelled" && h("div.notice", h("p", "The job was cancelled. A retry resumes from its last complete epoch.")),
      job.state === "succeeded" && (job.kind === "train" ? trained(job, story.promotion) : evaluated(job.result)));
  }

  #buttons() {
    const { job } = this;
    return [
      job.links.cancel && job.state !== "cancelling" && this.#button("Cancel", `/jobs/${encodeURIComponent(job.id)}/cancel`, "danger"),
      job.links.retry && this.#button("Retry", `/jobs/${encodeURIComponent(job.id)}/retry`, "primary"),
      job.kind === "train" && h("a.button", { href: `?new=train&like=${encodeURIComponent(job.id)}` }, "New job with these settings"),
    ];
  }

  #button(label, path, kind) {
    const button = h("button.button", { type: "button", class: kind }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const job = await withKey(() => askJSON(path, { method: "POST" }));
        if (job === null) return;
        this.#adopt(job);
        if (!FINAL.has(this.job.state)) this.#follow();
      } catch (error) {
        toastError(error);
        this.#refresh();
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }
}

function trained({ result }, promotion) {
  if (!result?.reference) return null;
  const [family, version] = result.reference.split("@");
  const href = `/ui/models?model=${encodeURIComponent(family)}&version=${version}`;
  return h("section.card.stack",
    h("div.row.spread", h("h2", "Published ", h("a", { href }, result.reference)),
      result.promoted !== undefined && h("span.badge", { class: result.promoted ? "good" : "" }, result.promoted ? "Now champion" : "Not promoted")),
    h("p", `Test accuracy: ${percent(result.test_accuracy, 2)}.`),
    promotion && gateReport(promotion.report, { open: false }));
}

function evaluated(result) {
  return h("section.card.stack-tight", h("h2", "Result"), h("ul.stack-tight.measured", (result?.evaluations ?? []).map(({ reference, accuracy, reproduced }) => {
    const [family, version] = reference.split("@");
    return h("li", h("a", { href: `/ui/models?model=${encodeURIComponent(family)}&version=${version}` }, reference), `: accuracy ${percent(accuracy.fp32, 2)}`,
      reproduced !== null && h("span.badge", { class: reproduced ? "good" : "warning" }, reproduced ? "reproduced" : "not reproduced"));
  })));
}

function parametersOf({ parameters }) {
  const rows = Object.entries(parameters).filter(([name, value]) => name !== "overrides" && value !== null && !(Array.isArray(value) && !value.length));
  const changes = Object.entries(parameters.overrides ?? {});
  return h("dl.facts", [...rows, ...changes].map(([name, value]) => [h("dt", name), h("dd", typeof value === "object" && !Array.isArray(value) && value !== null ? JSON.stringify(value) : readable(value))]));
}

function factsOf({ id, state, attempt, worker, created_at: created, claimed_at: claimed, finished_at: finished, request_id: request }) {
  const facts = [
    ["Submitted", ago(created)],
    claimed && [attempt > 1 ? "Resumed" : "Started", ago(claimed)],
    finished && ["Ended", ago(finished)],
    finished && claimed && ["Took", duration((Date.parse(finished) - Date.parse(claimed)) / 1000)],
    attempt > 1 && ["Attempts", attempt],
    worker && ["Worker", worker],
    ["State", state],
    ["Job", h("span.mono.break", id)],
    ["Request", h("span.mono.break", request)],
  ];
  return facts.filter(Boolean).map(([name, value]) => [h("dt", name), h("dd", value)]);
}

function epochText({ epoch, epochs, validation_accuracy: validation, train_accuracy: training }) {
  const shown = validation ?? training;
  return `Epoch ${epoch} of ${epochs}${shown === null ? "" : `: ${percent(shown)} accuracy`}`;
}
