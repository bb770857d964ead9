// Jobs in words.
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

/** What to call a state, and the kind of badge it has. */
export function stateOf(state) {
  const [text, kind] = STATES[state];
  return { text, kind };
}

/** "cnn_fast", or what is evaluated. */
export function titleOf({ kind, parameters }) {
  if (kind === "train") return parameters.recipe;
  return parameters.versions.length ? `Evaluate ${parameters.versions.join(", ")}` : "Evaluate all champions";
}

/** What it is about besides its title. */
export function subtitleOf({ kind, parameters }) {
  const changes = kind === "train" ? Object.keys(parameters.overrides).length : 0;
  return [
    kind === "train" ? "Training" : "Evaluation",
    `on ${parameters.data}`,
    parameters.family && `as ${parameters.family}`,
    changes > 0 && `${counted("setting", changes)} changed`,
  ].filter(Boolean).join(", ");
}

/** The network that a recipe is of, for its colour: "mlp", "cnn", or "" where that is not known. */
export function colourOf({ kind, parameters }) {
  const name = kind === "train" ? parameters.recipe : "";
  return ["mlp", "cnn"].find((family) => name.startsWith(family)) ?? "";
}

/** How far it is, or what it came to, in a line. */
export function lineOf({ state, progress, result, error, kind }) {
  if (state === "failed") return error ? error.message : "";
  if (state === "succeeded") return kind === "train" ? trainedLine(result) : evaluatedLine(result);
  // What waits again after an attempt still has the figures of that one.
  if (progress === null || state === "queued" || FINAL.has(state)) return "";
  return [
    progress.stage,
    progress.epochs && `epoch ${progress.epoch} of ${progress.epochs}`,
    progress.accuracy !== null && progress.accuracy !== undefined && percent(progress.accuracy),
    progress.seconds_left ? `${duration(progress.seconds_left)} left` : null,
  ].filter(Boolean).join(" · ");
}

/** Share of the work that is done, null where that is not known. */
export function shareOf({ state, progress }) {
  if (state === "succeeded") return 1;
  return progress?.steps ? Math.min(1, progress.step / progress.steps) : null;
}

function trainedLine(result) {
  if (!result?.reference) return "";
  const standing = { true: "now champion", false: "not promoted" }[String(result.promoted)];
  return [`Published ${result.reference}`, `${percent(result.test_accuracy, 2)} on the test images`, standing]
    .filter(Boolean).join(" · ");
}

function evaluatedLine(result) {
  return (result?.evaluations ?? []).map(({ reference, accuracy }) => `${reference}: ${percent(accuracy.fp32, 2)}`).join(" · ");
}
