// Texts that describe jobs.
import { percent } from "../format.js";
import { bytes, count, counted } from "../parts/size.js";
import { duration } from "../parts/when.js";

export const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const STATES = {
  queued: ["Waiting", ""],
  running: ["Running", "warning"],
  cancelling: ["Stopping", "warning"],
  succeeded: ["Done", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", ""],
};

/** Text and badge class of a state. */
export function stateOf(state) {
  const [text, kind] = STATES[state];
  return { text, kind };
}

/** "cnn_fast", the versions that are evaluated or predict, or the downloaded data. */
export function titleOf({ kind, parameters }) {
  if (kind === "train") return parameters.recipe;
  if (kind === "download") return "CIFAR-10";
  if (kind === "batch") return `Predict with ${parameters.models.join(", ")}`;
  return parameters.versions.length ? `Evaluate ${parameters.versions.join(", ")}` : "Evaluate all champions";
}

/** Kind, data, family and changed settings. */
export function subtitleOf({ kind, parameters }) {
  if (kind === "download") return "Download of a data set";
  const changes = kind === "train" ? Object.keys(parameters.overrides).length : 0;
  return [
    { train: "Training", evaluate: "Evaluation", batch: "Batch prediction" }[kind],
    `on ${parameters.data}`,
    parameters.family && `as ${parameters.family}`,
    changes > 0 && `${counted("setting", changes)} changed`,
  ].filter(Boolean).join(", ");
}

/** Architecture of a recipe, for its color: "mlp", "cnn", or "" if unknown. */
export function colorOf({ kind, parameters }) {
  const name = kind === "train" ? parameters.recipe : "";
  return ["mlp", "cnn"].find((family) => name.startsWith(family)) ?? "";
}

/**
 * Progress or result in one line.
 *
 * @param {object} job
 * @param {number} now time in ms to which the elapsed time is counted
 * @param {number} at time in ms at which the remaining time was estimated
 */
export function lineOf({ state, progress, result, error, kind, claimed_at: claimed }, now = Date.now(), at = now) {
  if (state === "failed") return error ? error.message : "";
  if (state === "succeeded") return { train: trainedLine, evaluate: evaluatedLine, batch: predictedLine, download: () => "All files are downloaded." }[kind](result);
  // A job that is queued again still has the progress of its last attempt.
  if (state === "queued" || FINAL.has(state)) return "";
  const { stage, epoch, epochs, step, steps, accuracy, seconds_left: left } = progress ?? {};
  return [
    stage ?? "Starting",
    epochs && `epoch ${epoch} of ${epochs}`,
    kind === "download" && steps && `${bytes(step)} of ${bytes(steps)}`,
    kind === "batch" && steps && `${count(step)} of ${counted("prediction", steps)}`,
    accuracy !== null && accuracy !== undefined && `accuracy ${percent(accuracy)}`,
    claimed && `${duration(Math.max(0, (now - Date.parse(claimed)) / 1000))} elapsed`,
    left ? `about ${duration(Math.max(1, left - (now - at) / 1000))} left` : null,
  ].filter(Boolean).join(" · ");
}

/** Share of completed steps, null if unknown. */
export function shareOf({ state, progress }) {
  if (state === "succeeded") return 1;
  return progress?.steps ? Math.min(1, progress.step / progress.steps) : null;
}

function trainedLine(result) {
  if (!result?.reference) return "";
  const standing = { true: "now champion", false: "not promoted" }[String(result.promoted)];
  return [`Published ${result.reference}`, `${percent(result.test_accuracy, 2)} test accuracy`, standing]
    .filter(Boolean).join(" · ");
}

function evaluatedLine(result) {
  return (result?.evaluations ?? []).map(({ reference, accuracy }) => `${reference}: ${percent(accuracy.fp32, 2)}`).join(" · ");
}

function predictedLine(result) {
  return (result?.tables ?? []).map(({ model, predicted, unreadable }) =>
    `${model}: ${counted("image", predicted)} predicted${unreadable ? `, ${count(unreadable)} unreadable` : ""}`).join(" · ");
}
