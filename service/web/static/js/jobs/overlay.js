// Curves of several trainings in the same charts.
import { askJSON } from "../api.js";
import { lineChart } from "../charts.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { heading, loading } from "../parts/heading.js";
import { duration } from "../parts/when.js";
import { errorNotice } from "../toast.js";
import { FINAL, stateOf } from "./describe.js";
import { readable } from "./fields.js";
import { runStateOf, runTitleOf } from "./runs.js";

const JOB_ID = /^[0-9a-f]{32}$/;
const POLL_MS = 3000;
const COLORS = 4;

/** Maximum number of trainings in one chart: two kinds of line in each color. */
export const MOST = 2 * COLORS;

const CHARTS = [
  { title: "Validation loss", key: "validation_loss", format: (value) => value.toFixed(value < 1 ? 3 : 2) },
  { title: "Validation accuracy", key: "validation_accuracy", format: (value) => percent(value, 1) },
  { title: "Training loss", key: "train_loss", format: (value) => value.toFixed(value < 1 ? 3 : 2) },
  { title: "Training accuracy", key: "train_accuracy", format: (value) => percent(value, 1) },
];

/**
 * Fill `place` with the charts of these trainings and keep them up to date.
 *
 * @param {HTMLElement} place
 * @param {string[]} names of runs, or ids of jobs
 */
export async function overlayView(place, names) {
  loading("Loading the curves");
  const shown = [...new Set(names)].slice(0, MOST);
  try {
    const entries = await Promise.all(shown.map(entryOf));
    const charts = h("div.curves");
    const table = h("table.overlay-table");
    const problem = h("div");
    const page = h("div.job-page.preparing", problem, h("div.table-box", { tabindex: 0, role: "group", "aria-label": "Selected trainings" }, table), charts);
    fill(place, page);
    const labels = labelsOf(entries);
    fillTable(table, entries, labels);
    const draw = await drawer(charts, labels);
    draw(entries);
    heading("Loss and accuracy by epoch of the selected trainings.", "Curves");
    page.classList.remove("preparing");
    follow(entries, shown, (newer) => {
      fill(problem);
      fillTable(table, newer, labels);
      draw(newer);
    }, (error) => fill(problem, errorNotice(error)));
  } catch (error) {
    heading("", "Curves");
    fill(place, errorNotice(error));
  }
}

/** {run, job}: the metrics of a training, and its job if it is one. A job that has not started has no metrics. */
async function entryOf(name) {
  if (!JOB_ID.test(name)) return { run: await askJSON(`/runs/${encodeURIComponent(name)}`), job: null };
  const job = await askJSON(`/jobs/${name}`);
  return { run: job.attempt > 0 ? await askJSON(`/runs/${name}`) : null, job };
}

function follow(entries, names, onChange, onError) {
  let last = entries;
  const busy = () => last.some(({ run, job }) => (job ? !FINAL.has(job.state) : run.state === "running"));
  const again = async () => {
    if (!document.hidden) {
      try {
        last = await Promise.all(names.map(entryOf));
        onChange(last);
      } catch (error) {
        onError(error);
      }
    }
    if (busy()) setTimeout(again, POLL_MS);
  };
  if (busy()) setTimeout(again, POLL_MS);
}

/** Name of each training: its recipe and seed, with the run or job where that is not unique. */
function labelsOf(entries) {
  const short = entries.map(({ run, job }) => {
    const title = job ? job.parameters.recipe : runTitleOf(run);
    const seed = job ? job.parameters.seed : run.seed;
    return seed === null || seed === undefined ? title : `${title}, seed ${seed}`;
  });
  return entries.map(({ run, job }, place) => (
    short.filter((each) => each === short[place]).length === 1 ? short[place] : `${short[place]} (${job ? `job ${job.id.slice(-6)}` : run.name})`
  ));
}

function strokeOf(place) {
  return { color: `--run-${1 + (place % COLORS)}`, dash: place < COLORS ? undefined : [6, 4] };
}

async function drawer(place, labels) {
  const series = labels.map((label, index) => ({ label, ...strokeOf(index), points: true }));
  const made = [];
  for (const { title, key, format } of CHARTS) {
    const card = h("div.card");
    place.append(card);
    const chart = await lineChart(card, { title, xLabel: "Epoch", wholeX: true, series, format, formatX: String });
    made.push({ card, chart, key });
  }
  return (entries) => {
    const histories = entries.map(({ run }) => run?.history ?? []);
    const epochs = [...new Set(histories.flat().map(({ epoch }) => epoch))].sort((one, other) => one - other);
    for (const { card, chart, key } of made) {
      const columns = histories.map((history) => {
        const byEpoch = new Map(history.map((each) => [each.epoch, each[key]]));
        return epochs.map((epoch) => byEpoch.get(epoch) ?? null);
      });
      // Runs that train on the validation images have no validation curve.
      card.hidden = !columns.some((column) => column.some((value) => value !== null));
      if (!card.hidden) chart.update([epochs, ...columns]);
    }
  };
}

function fillTable(table, entries, labels) {
  const head = ["Training", "State", "Epochs", "Best accuracy", "Last loss", "Time in epochs", "Data", "Changed settings"];
  fill(table, h("thead", h("tr", head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", entries.map((entry, place) => row(entry, labels[place], strokeOf(place)))));
}

function row({ run, job }, label, { color, dash }) {
  const history = run?.history ?? [];
  const accuracies = history.map((each) => each.validation_accuracy ?? each.train_accuracy).filter((value) => value !== null);
  const last = history.at(-1);
  const epochs = run?.epochs ?? job?.progress?.epochs;
  const { text, kind } = job ? stateOf(job.state) : runStateOf(run.state);
  const href = job ? `?job=${encodeURIComponent(job.id)}` : `?run=${encodeURIComponent(run.name)}`;
  const changes = Object.entries(job?.parameters.overrides ?? {}).map(([name, value]) => `${name} ${typeof value === "object" && value !== null && !Array.isArray(value) ? JSON.stringify(value) : readable(value)}`);
  return h("tr",
    h("th", { scope: "row" }, h("span.stroke", { vars: { "--stroke": `var(${color})`, "--stroke-style": dash ? "dashed" : "solid" } }), h("a", { href }, label)),
    h("td", h("span.badge", { class: kind }, text)),
    h("td", epochs ? `${history.length} of ${epochs}` : String(history.length)),
    h("td", accuracies.length ? `${percent(Math.max(...accuracies), 2)}${last.validation_accuracy === null ? " (training)" : ""}` : ""),
    h("td", last ? (last.validation_loss ?? last.train_loss).toFixed(3) : ""),
    h("td", history.length ? duration(history.reduce((sum, { seconds }) => sum + seconds, 0)) : ""),
    h("td", job ? job.parameters.data : (run.data ?? "")),
    h("td", job ? changes.join(", ") : "not recorded"));
}
