// Loss and accuracy charts of a training, including the current epoch.
import { h } from "../dom.js";
import { percent } from "../format.js";
import { lineChart } from "../charts.js";

/** The two charts of a job, in `place`; `family` colors the validation curve. */
export async function trainingCharts(place, family) {
  const [lossPlace, accuracyPlace] = [h("div.card"), h("div.card")];
  place.replaceChildren(lossPlace, accuracyPlace);
  const series = [
    { label: "Training", color: "--muted", points: true },
    { label: "Validation", color: family ? `--${family}` : "--ink", points: true },
    { label: "This epoch so far", color: "--muted", dash: [3, 3], points: true },
  ];
  const shared = { xLabel: "Epoch", wholeX: true, series, formatX: (epoch) => String(Number(epoch.toFixed(2))) };
  const [loss, accuracy] = await Promise.all([
    lineChart(lossPlace, { ...shared, title: "Loss", format: (value) => value.toFixed(value < 1 ? 3 : 2) }),
    lineChart(accuracyPlace, { ...shared, title: "Accuracy", format: (value) => percent(value, 1) }),
  ]);
  return {
    /** Draw what a `JobStory` has; `epochs` is how many there will be, so that the curve grows into its place. */
    update(story, epochs) {
      loss.update(columns(story, epochs, "trainLoss", "validationLoss", "loss"));
      accuracy.update(columns(story, epochs, "trainAccuracy", "validationAccuracy", "accuracy"));
    },
    destroy() {
      loss.destroy();
      accuracy.destroy();
    },
  };
}

/** [x, training, validation, running], of which x spans the whole run. */
function columns({ epochs: points, tip }, epochs, training, validation, running) {
  const rows = points.map((point) => [point.epoch, point[training], point[validation], null]);
  if (tip !== null && tip[running] !== null) {
    // The dashed line leads from the last whole epoch to where this one stands.
    const last = rows.at(-1);
    if (last) last[3] = last[1];
    rows.push([tip.epoch, null, null, tip[running]]);
  }
  if (!rows.length || rows[0][0] > 0) rows.unshift([0, null, null, null]);
  if (rows.at(-1)[0] < epochs) rows.push([epochs, null, null, null]);
  return [0, 1, 2, 3].map((column) => rows.map((row) => row[column]));
}
