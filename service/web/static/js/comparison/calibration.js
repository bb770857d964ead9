// Calibration: reliability diagram, bins and scores.
import { lineChart } from "../charts.js";
import { h } from "../dom.js";
import { percent, points } from "../format.js";
import { count } from "../parts/size.js";
import { interval, plain, shareInterval, signed, table, tableBehind, twoLines } from "./figures.js";
import { colorOf } from "./sides.js";

const HEIGHT = 320;
const FEWEST = 10; // accuracy of fewer images is mostly noise

/** The calibration section, and `draw`, which draws its chart after the section is in the page. */
export function calibration(data, sides) {
  const plot = h("div.reliability");
  const section = h("section.card.section", { "aria-labelledby": "calibration" },
    h("h2", { id: "calibration" }, "Reliability diagram"),
    h("div.calibration", plot, h("div.stack",
      h("p.small.muted", "The dashed line is perfect calibration: of the predictions with a confidence of 80 %, 80 % are correct. Below it a version is overconfident, above it underconfident. ",
        `The curves omit bins with fewer than ${FEWEST} images.`),
      scores(data, sides),
      h("p.small.muted", "Lower is better. A difference is first minus second version. A finite test set gives even a perfectly calibrated model an error; an error above its 95th percentile is significant.")),
      binsOf(sides)));
  return { section, draw: () => draw(plot, sides) };
}

async function draw(plot, sides) {
  const chart = await lineChart(plot, {
    title: "Accuracy by confidence, in 15 bins",
    xLabel: "Confidence",
    height: HEIGHT,
    series: [
      { label: "perfect calibration", color: "--edge", dash: [4, 4] },
      ...sides.map((side) => ({ label: side.name, color: colorOf(side), points: true })),
    ],
    format: (share) => `${Math.round(100 * share)} %`,
    formatX: (share) => `${Math.round(100 * share)} %`,
    yRange: [0, 1],
  });
  chart.update(columnsOf(sides));
  return chart;
}

/** [x, the diagonal, first, second], x being every bin's mean confidence on either side, and both ends. */
function columnsOf(sides) {
  const curves = sides.map(({ model }) => new Map(filled(model).map((bin) => [bin.confidence, bin.accuracy])));
  const xs = [...new Set([0, 1, ...curves.flatMap((curve) => [...curve.keys()])])].sort((a, b) => a - b);
  return [xs, xs, ...curves.map((curve) => xs.map((x) => curve.get(x) ?? null))];
}

function filled(model) {
  return model.scores.reliability.bins.filter((bin) => bin.count >= FEWEST);
}

/** 95 % score interval of the accuracy of a bin (Wilson 1927), as an estimate. */
function wilson({ accuracy, count: images }) {
  const z = 1.959964;
  const scale = 1 + z ** 2 / images;
  const center = (accuracy + z ** 2 / (2 * images)) / scale;
  const margin = (z / scale) * Math.sqrt((accuracy * (1 - accuracy)) / images + (z / (2 * images)) ** 2);
  return { value: accuracy, low: Math.max(0, center - margin), high: Math.min(1, center + margin) };
}

function scores(data, sides) {
  const rows = [
    ["Calibration error", "ece", (value) => percent(value, 2), (estimate) => shareInterval(estimate, 2), points],
    ["Log loss", "log_loss", plain, (estimate) => interval(estimate), signed],
    ["Brier score", "brier", plain, (estimate) => interval(estimate), signed],
  ];
  const perfect = ["Error of a perfectly calibrated model",
    ...sides.map(({ model: { probability: { ece_if_calibrated: { mean, percentile_95: most } } } }) => twoLines(percent(mean, 2), `95th percentile ${percent(most, 2)}`)), ""];
  return table("Scores of the predicted probabilities", [{ text: "" }, ...sides.map((side) => ({ text: side.name, number: true })), { text: "Difference", number: true }],
    rows.map(([name, field, said, range, write]) => {
      const difference = data[`${field}_difference`];
      return [name, ...sides.map(({ model }) => twoLines(said(model.probability[field].value), range(model.probability[field]))),
        twoLines(write(difference.value), interval(difference, write))];
    }).toSpliced(1, 0, perfect));
}

function binsOf(sides) {
  const columns = [{ text: "Confidence" }, ...sides.flatMap(({ name }) => [{ text: `${name}, images`, number: true }, { text: "mean confidence", number: true }, { text: "accuracy", number: true }])];
  const bins = sides.map(({ model }) => model.scores.reliability.bins);
  const cells = (bin) => (bin?.count ? [count(bin.count), percent(bin.confidence), twoLines(percent(bin.accuracy), shareInterval(wilson(bin)))] : ["0", "", ""]);
  return tableBehind("Reliability diagram by bin", columns,
    bins[0].map((bin, index) => [`${Math.round(100 * bin.low)} to ${Math.round(100 * bin.high)} %`, ...bins.flatMap((list) => cells(list[index]))]), "The bins as a table");
}
