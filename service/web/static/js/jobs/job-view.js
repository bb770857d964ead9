// Job page: progress, curves, log, result and actions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { confirmed } from "../parts/confirm.js";
import { gateReport } from "../parts/gate-report.js";
import { heading, loading } from "../parts/heading.js";
import { bytes, count, counted } from "../parts/size.js";
import { ago, clock, duration, exact } from "../parts/when.js";
import { withKey } from "../session.js";
import { errorNotice, toastError } from "../toast.js";
import { trainingCharts } from "./charts.js";
import { JobStory, isAfter } from "./curves.js";
import { FINAL, colorOf, lineOf, shareOf, stateOf, subtitleOf, titleOf } from "./describe.js";
import { readable } from "./fields.js";
import { follow } from "./follow.js";
import { JobLog } from "./log.js";

const CONNECTIONS = { connecting: "Connecting", live: "Live", ended: "" };
const TICK_MS = 1000;
const FACTS_MS = 30_000;
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
    this.loss = null;
    this.reportedAt = Date.now();

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
    setInterval(() => this.#drawLine(), TICK_MS);
    setInterval(() => fill(this.facts, factsOf(this.job)), FACTS_MS);
    this.#follow();
  }

  #follow() {
    this.stop();
    this.stop = follow(this.job.id, this.story.last, (id, event) => this.#take(id, event), (connection, loss) => this.#say(connection, loss));
  }

  #take(id, event) {
    if (!this.story.take(id, event)) return;
    if (event.event === "progress") this.reportedAt = Date.parse(event.at);
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
    const share = shareOf(this.#shown());
    this.bar.hidden = share === null || FINAL.has(job.state);
    if (!this.bar.hidden) {
      this.bar.style.setProperty("--share", share);
      this.bar.setAttribute("aria-valuenow", Math.round(100 * share));
    }
    this.#drawLine();
    this.curves.hidden = this.charts === null || (FINAL.has(job.state) && story.ended !== null && !story.epochs.length);
    this.curves.classList.toggle("waiting", !story.epochs.length && story.tip === null);
    if (!this.curves.hidden) this.charts.update(story, progress?.epochs ?? job.progress?.epochs ?? story.epochs.at(-1)?.epoch ?? 1);
    fill(this.notes, story.notes.map(({ at, text }) => h("li", h("span.muted", { title: exact(at) }, exact(at).split(", ").at(-1)), " ", text)));
    if (story.promotion !== this.shownPromotion) this.#showResult();
  }

  /** The record with the newest progress. */
  #shown() {
    const { job, story } = this;
    return { ...job, progress: { ...job.progress, ...story.progress, stage: story.stage ?? job.progress?.stage } };
  }

  /** Progress with elapsed and remaining time, which stand still while the service does not answer. */
  #drawLine() {
    const { job } = this;
    this.line.hidden = FINAL.has(job.state);
    const now = this.loss?.since.getTime() ?? Date.now();
    this.line.textContent = job.state === "queued" ? "Waiting for a worker." : lineOf(this.#shown(), now, Math.min(now, this.reportedAt));
  }

  #say(connection, loss) {
    this.loss = loss;
    this.connection.textContent = loss === null ? CONNECTIONS[connection] : lossText(loss, this.job);
    this.connection.dataset.state = connection;
    this.#drawBadge();
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
    const { text } = stateOf(job.state);
    if (this.stateText && this.stateText !== text) this.told.textContent = `${text}. ${lineOf(job)}`;
    this.stateText = text;
    this.#drawBadge();
    fill(this.actions, this.#buttons());
    fill(this.facts, factsOf(job));
    this.#showResult();
  }

  /** The state, which may have changed while the service does not answer. */
  #drawBadge() {
    const { text, kind } = stateOf(this.job.state);
    const isKnown = this.loss === null || FINAL.has(this.job.state);
    this.badge.className = `badge ${isKnown ? kind : ""}`;
    this.badge.textContent = isKnown ? text : `Last known: ${text.toLowerCase()}`;
  }

  #showResult() {
    const { job, story } = this;
    this.shownPromotion = story.promotion;
    fill(this.result,
      job.state === "failed" && h("div.notice.bad", h("p", h("strong", job.error?.type ?? "Failed")), h("p.break", job.error?.message ?? "")),
      job.state === "cancelled" && h("div.notice", h("p", `The job was cancelled. ${job.kind === "train" ? "A retry resumes from its last complete epoch." : ["batch", "download"].includes(job.kind) ? "A retry resumes where it stopped." : ""}`)),
      job.state === "succeeded" && RESULTS[job.kind](job, story));
  }

  #buttons() {
    const { job } = this;
    return [
      job.links.cancel && job.state !== "cancelling" && this.#button("Cancel", `/jobs/${encodeURIComponent(job.id)}/cancel`, "danger", () => confirmed(cancelQuestion(this.job))),
      job.links.retry && this.#button("Retry", `/jobs/${encodeURIComponent(job.id)}/retry`, "primary"),
      job.kind === "train" && h("a.button", { href: `?new=train&like=${encodeURIComponent(job.id)}` }, "New job with these settings"),
    ];
  }

  /** A button that changes the job, after `agreed` if it is given. */
  #button(label, path, kind, agreed = async () => true) {
    const button = h("button.button", { type: "button", class: kind }, label);
    button.addEventListener("click", async () => {
      if (!(await agreed())) return;
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

const RESULTS = {
  train: (job, story) => trained(job, story.promotion),
  evaluate: (job) => evaluated(job.result),
  batch: (job) => predicted(job),
  download: () => h("div.notice.good.stack-tight", h("p", "CIFAR-10 is downloaded, and the md5 checksums of all files match."), h("p", h("a.button", { href: "?new=train" }, "New training"))),
};

function lossText({ since, reason }, { state, kind }) {
  const lost = `No answer since ${clock(since)}${reason === null ? "" : `: ${reason}`}.`;
  if (FINAL.has(state)) return lost;
  const resumes = { train: "resumes from its last checkpoint", evaluate: "starts again", batch: "resumes where it stopped", download: "resumes where it stopped" }[kind];
  return `${lost} This page shows the last known state. If the job has stopped with the service, it ${resumes} when the service is back.`;
}

function cancelQuestion({ state, kind }) {
  const text = state === "queued"
    ? "It has not started. You can retry it later."
    : { train: "It stops within seconds. The checkpoint of its last complete epoch is kept, and a retry resumes from it.",
      evaluate: "It stops within seconds. Results that are complete are kept.",
      batch: "It stops within seconds. Finished predictions are kept, and a retry resumes there.",
      download: "It stops within seconds. Downloaded data is kept, and a retry resumes there." }[kind];
  const what = { train: "training", evaluate: "evaluation", batch: "batch prediction", download: "download" }[kind];
  return { title: `Cancel this ${what}?`, text, label: `Cancel the ${what}`, keep: state === "queued" ? "Keep it in the queue" : "Keep it running" };
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

function predicted({ id, result }) {
  const rows = (result?.tables ?? []).map(({ model, precision, predicted: images, unreadable, bytes: size }) =>
    h("li", h("a", { href: `/jobs/${encodeURIComponent(id)}/result?model=${encodeURIComponent(model)}`, download: "" }, `${model}.${result.format}`),
      ` (${bytes(size)}, ${precision}): ${counted("image", images)} predicted`,
      unreadable > 0 && h("span.badge.warning", `${count(unreadable)} unreadable`)));
  return h("section.card.stack-tight", h("h2", "Result"), h("ul.stack-tight.measured", rows));
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
