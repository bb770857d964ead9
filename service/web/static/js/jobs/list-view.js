// Job list, newest first, refreshed periodically.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { ago } from "../parts/when.js";
import { errorNotice } from "../toast.js";
import { FINAL, colorOf, lineOf, shareOf, stateOf, subtitleOf, titleOf } from "./describe.js";

const PAGE = 20;
const AT_A_TIME = 200; // the service's maximum page size
const BUSY_MS = 1500;
const IDLE_MS = 8000;

/** Fill `place` with the list. */
export function listView(place) {
  const rows = h("ul.job-list");
  const older = h("button.button", { type: "button", hidden: true, onclick: () => { wanted += 2 * PAGE; refresh(); } }, "Show older jobs");
  const status = h("div", { "aria-live": "polite" });
  const told = h("p.visually-hidden", { role: "status" });
  const filter = { kind: "", state: "" };
  const shown = new Map();
  let wanted = PAGE;
  let timer = 0;
  let round = 0;

  async function refresh() {
    clearTimeout(timer);
    const mine = ++round;
    let busy = false;
    try {
      const page = await newest(filter, wanted);
      if (mine !== round) return;
      fill(status);
      show(page);
      busy = page.jobs.some((job) => !FINAL.has(job.state));
    } catch (error) {
      if (mine !== round) return;
      if (!status.hasChildNodes()) fill(status, errorNotice(error));
      busy = true;
    }
    if (!document.hidden) timer = setTimeout(refresh, busy ? BUSY_MS : IDLE_MS);
  }

  function show({ jobs, more }) {
    const present = jobs.map((job) => {
      const row = shown.get(job.id) ?? new Row(job);
      shown.set(job.id, row);
      const change = row.update(job);
      if (change) told.textContent = change;
      return row.element;
    });
    if (!sameNodes(rows, present)) rows.replaceChildren(...(present.length ? present : [nothing(filter)]));
    older.hidden = !more;
  }

  const changed = (name) => (event) => {
    filter[name] = event.target.value;
    refresh();
  };
  fill(place,
    h("div.row.spread.list-tools",
      h("div.actions",
        h("a.button.primary", { href: "?new=train" }, "New training"),
        h("a.button", { href: "?new=evaluate" }, "New evaluation"),
        h("a.button", { href: "?data" }, "Data sets")),
      h("div.row",
        pick("Kind", [["", "All kinds"], ["train", "Trainings"], ["evaluate", "Evaluations"]], changed("kind")),
        pick("State", [["", "Any state"], ...["queued", "running", "succeeded", "failed", "cancelled"].map((state) => [state, stateOf(state).text])], changed("state")))),
    status, told, rows, older);
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  return refresh();
}

/** The newest `wanted` jobs, and whether there are more. */
async function newest(filter, wanted) {
  const jobs = [];
  let cursor = null;
  do {
    const page = await askJSON("/jobs", { query: { ...filter, cursor, limit: Math.min(wanted - jobs.length, AT_A_TIME) } });
    jobs.push(...page.jobs);
    cursor = page.next_cursor;
  } while (cursor !== null && jobs.length < wanted);
  return { jobs, more: cursor !== null };
}

/** Row of one job; its link stays the same element, so that it keeps the focus. */
class Row {
  constructor(job) {
    this.state = null;
    this.badge = h("span.badge");
    this.bar = h("div.progress", { "aria-hidden": "true" });
    this.line = h("p.small.job-line");
    this.time = h("p.small.muted.job-time");
    this.element = h("li.job-row", { class: colorOf(job) },
      h("div.job-name", h("a", { href: `?job=${encodeURIComponent(job.id)}` }, titleOf(job)), h("p.small.muted", subtitleOf(job))),
      h("div.job-state", this.badge), h("div.job-progress", this.bar, this.line), this.time);
  }

  /** Update the row; returns a sentence if the state has changed, else null. */
  update(job) {
    const { text, kind } = stateOf(job.state);
    const share = shareOf(job);
    this.badge.className = `badge ${kind}`;
    this.badge.textContent = text;
    this.bar.hidden = share === null || FINAL.has(job.state);
    this.bar.style.setProperty("--share", share ?? 0);
    this.line.textContent = lineOf(job);
    fill(this.time, ago(job.created_at));
    const change = this.state !== null && this.state !== job.state ? `${titleOf(job)}: ${text}. ${lineOf(job)}` : null;
    this.state = job.state;
    return change;
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
