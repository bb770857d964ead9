// Texts that describe jobs.
import { percent } from "../format.js";
import { counted } from "../parts/size.js";
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

/** "cnn_fast", or the evaluated versions. */
export function titleOf({ kind, parameters }) {
  if (kind === "train") return parameters.recipe;
  return parameters.versions.length ? `Evaluate ${parameters.versions.join(", ")}` : "Evaluate all champions";
}

/** Kind, data, family and changed settings. */
export function subtitleOf({ kind, parameters }) {
  const changes = kind === "train" ? Object.keys(parameters.overrides).length : 0;
  return [
    kind === "train" ? "Training" : "Evaluation",
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

/** Progress or result in one line. */
export function lineOf({ state, progress, result, error, kind }) {
  if (state === "failed") return error ? error.message : "";
  if (state === "succeeded") return kind === "train" ? trainedLine(result) : evaluatedLine(result);
  // A job that is queued again still has the progress of its last attempt.
  if (progress === null || state === "queued" || FINAL.has(state)) return "";
  return [
    progress.stage,
    progress.epochs && `epoch ${progress.epoch} of ${progress.epochs}`,
    progress.accuracy !== null && progress.accuracy !== undefined && percent(progress.accuracy),
    progress.seconds_left ? `${duration(progress.seconds_left)} left` : null,
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
