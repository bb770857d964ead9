// Job list, newest first, with the trainings from the command line; refreshed periodically.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, clock } from "../parts/when.js";
import { errorNotice } from "../toast.js";
import { FINAL, colorOf, lineOf, shareOf, stateOf, subtitleOf, titleOf } from "./describe.js";
import { MOST } from "./overlay.js";
import { runColorOf, runLineOf, runShareOf, runStateOf, runSubtitleOf, runTitleOf } from "./runs.js";

const PAGE = 20;
const AT_A_TIME = 200; // the service's maximum page size
const BUSY_MS = 1500;
const IDLE_MS = 8000;
const COMMAND_LINE = "run";
// States of runs under which the filter of jobs finds them.
const RUN_STATES = { running: "running", published: "succeeded" };

/** Fill `place` with the list. */
export function listView(place) {
  const rows = h("ul.job-list");
  const older = h("button.button", { type: "button", hidden: true, onclick: () => { wanted += 2 * PAGE; refresh(); } }, "Show older jobs");
  const status = h("div", { "aria-live": "polite" });
  const told = h("p.visually-hidden", { role: "status" });
  const ticked = new Set();
  const compare = h("a.button", { "aria-disabled": "true" }, "Compare curves");
  const filter = { kind: "", state: "" };
  const shown = new Map();
  let wanted = PAGE;
  let timer = 0;
  let round = 0;
  let heard = new Date();

  async function refresh() {
    clearTimeout(timer);
    const mine = ++round;
    let busy = false;
    try {
      const page = await newest(filter, wanted);
      if (mine !== round) return;
      heard = new Date();
      fill(status);
      show(page);
      busy = page.entries.some((entry) => entry.busy);
    } catch (error) {
      if (mine !== round) return;
      fill(status, h("div.stack-tight", errorNotice(error), shown.size > 0 && h("p.small.muted", `Last update: ${clock(heard)}.`)));
      busy = true;
    }
    if (!document.hidden) timer = setTimeout(refresh, busy ? BUSY_MS : IDLE_MS);
  }

  function show({ entries, more }) {
    const present = entries.map((entry) => {
      const row = shown.get(entry.id) ?? new Row(entry, ticked, showTicked);
      shown.set(entry.id, row);
      const change = row.update(entry);
      if (change) told.textContent = change;
      return row.element;
    });
    if (!sameNodes(rows, present)) rows.replaceChildren(...(present.length ? present : [nothing(filter)]));
    older.hidden = !more;
  }

  function showTicked() {
    const enough = ticked.size > 1;
    compare.textContent = ticked.size ? `Compare curves (${ticked.size})` : "Compare curves";
    compare.setAttribute("aria-disabled", String(!enough));
    compare.title = enough ? "" : "Select at least two trainings";
    if (enough) compare.href = `?curves=${[...ticked].map(encodeURIComponent).join(",")}`;
    else compare.removeAttribute("href");
    for (const row of shown.values()) row.allow(ticked.size < MOST);
  }

  const changed = (name) => (event) => {
    filter[name] = event.target.value;
    refresh();
  };
  showTicked();
  fill(place,
    h("div.row.spread.list-tools",
      h("div.actions",
        h("a.button.primary", { href: "?new=train" }, "New training"),
        h("a.button", { href: "?new=evaluate" }, "New evaluation"),
        h("a.button", { href: "?data" }, "Data sets"),
        compare),
      h("div.row",
        pick("Kind", [["", "All kinds"], ["train", "Trainings"], [COMMAND_LINE, "Command line"], ["evaluate", "Evaluations"], ["batch", "Batch predictions"], ["download", "Downloads"]], changed("kind")),
        pick("State", [["", "Any state"], ...["queued", "running", "succeeded", "failed", "cancelled"].map((state) => [state, stateOf(state).text])], changed("state")))),
    status, told, rows, older);
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  return refresh();
}

/** The newest `wanted` jobs with the runs of the same time, newest first, and whether there are more. */
async function newest({ kind, state }, wanted) {
  const withRuns = kind === "" || kind === "train" || kind === COMMAND_LINE;
  const [page, { runs }] = await Promise.all([
    kind === COMMAND_LINE ? { jobs: [], more: false } : newestJobs({ kind, state }, wanted),
    withRuns ? askJSON("/runs") : { runs: [] },
  ]);
  const oldest = page.more ? Date.parse(page.jobs.at(-1).created_at) : -Infinity;
  const fitting = runs.filter((run) => Date.parse(run.started_at) >= oldest && (state === "" || RUN_STATES[run.state] === state));
  const entries = [...page.jobs.map(jobEntry), ...fitting.map(runEntry)];
  return { entries: entries.sort((one, other) => Date.parse(other.time) - Date.parse(one.time)), more: page.more };
}

async function newestJobs(filter, wanted) {
  const jobs = [];
  let cursor = null;
  do {
    const page = await askJSON("/jobs", { query: { ...filter, cursor, limit: Math.min(wanted - jobs.length, AT_A_TIME) } });
    jobs.push(...page.jobs);
    cursor = page.next_cursor;
  } while (cursor !== null && jobs.length < wanted);
  return { jobs, more: cursor !== null };
}

/**
 * @typedef {object} Entry a row: a job, or a run from the command line
 * @property {string} id also the name of its metrics under /runs
 * @property {boolean} hasCurves
 */

function jobEntry(job) {
  return {
    id: job.id, href: `?job=${encodeURIComponent(job.id)}`, time: job.created_at, color: colorOf(job), title: titleOf(job), subtitle: subtitleOf(job),
    ...stateOf(job.state), line: lineOf(job), share: FINAL.has(job.state) ? null : shareOf(job), busy: !FINAL.has(job.state),
    hasCurves: job.kind === "train" && job.attempt > 0,
  };
}

function runEntry(run) {
  return {
    id: run.name, href: `?run=${encodeURIComponent(run.name)}`, time: run.started_at, color: runColorOf(run), title: runTitleOf(run), subtitle: runSubtitleOf(run),
    ...runStateOf(run.state), line: runLineOf(run), share: run.state === "running" ? runShareOf(run) : null, busy: run.state === "running",
    hasCurves: run.epoch > 0,
  };
}

/** Row of one entry; its link stays the same element, so that it keeps the focus. */
class Row {
  constructor(entry, ticked, onTick) {
    this.text = null;
    this.badge = h("span.badge");
    this.bar = h("div.progress", { "aria-hidden": "true" });
    this.line = h("p.small.job-line");
    this.time = h("p.small.muted.job-time");
    this.box = h("input", { type: "checkbox", "aria-label": `Compare the curves of ${entry.title}, ${entry.subtitle}`, checked: ticked.has(entry.id) });
    this.box.addEventListener("change", () => {
      if (this.box.checked) ticked.add(entry.id);
      else ticked.delete(entry.id);
      onTick();
    });
    this.tick = h("label.job-tick", this.box);
    this.element = h("li.job-row", { class: entry.color }, this.tick,
      h("div.job-name", h("a", { href: entry.href }, entry.title), h("p.small.muted", entry.subtitle)),
      h("div.job-state", this.badge), h("div.job-progress", this.bar, this.line), this.time);
  }

  /** Update the row; returns a sentence if the state has changed, else null. */
  update({ title, text, kind, line, share, time, hasCurves }) {
    this.badge.className = `badge ${kind}`;
    this.badge.textContent = text;
    this.bar.hidden = share === null;
    this.bar.style.setProperty("--share", share ?? 0);
    this.line.textContent = line;
    this.box.hidden = !hasCurves;
    fill(this.time, ago(time));
    const change = this.text !== null && this.text !== text ? `${title}: ${text}. ${line}` : null;
    this.text = text;
    return change;
  }

  /** Allow another tick, or not. */
  allow(more) {
    this.box.disabled = !more && !this.box.checked;
  }
}

function pick(label, options, onchange) {
  return h("label.pick", h("span.visually-hidden", label), h("select", { onchange }, options.map(([value, text]) => h("option", { value }, text))));
}

function nothing({ kind, state }) {
  if (kind || state) return h("li.empty", h("p", "No job matches the filter."));
  return h("li.empty", h("p", "There are no jobs yet."), h("a.button", { href: "?new=train" }, "Start a training"));
}

function sameNodes(parent, children) {
  return children.length > 0 && parent.children.length === children.length && children.every((child, place) => parent.children[place] === child);
}
