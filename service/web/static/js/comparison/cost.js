// Cost of each version: size, inference time, training time.
import { h } from "../dom.js";
import { milliseconds } from "../format.js";
import { bytes, count } from "../parts/size.js";
import { duration } from "../parts/when.js";
import { table } from "./figures.js";

/** The section of costs. */
export function cost(data, sides) {
  const trained = places(sides, ({ environment }) => `${environment.threads} threads of ${environment.cpu}`);
  const timed = places(sides, ({ latency }) => latency && `${latency.cpu}, onnxruntime ${latency.onnxruntime}`);
  return h("section.card.section", { "aria-labelledby": "cost" }, h("h2", { id: "cost" }, "Cost"),
    table("Cost of both versions", [{ text: "" }, ...sides.map((side) => ({ text: side.name, number: true })), { text: "Ratio", number: true }], rowsOf(sides)),
    h("p.small.muted", `A ratio is ${sides[1].name} divided by ${sides[0].name}. Trained on ${trained}.`, timed && ` Inference time of one image on one thread, measured on ${timed}.`));
}

/** Hardware of a measurement: once if it is the same for both versions, else per version. */
function places(sides, of) {
  const known = sides.map(({ name, model }) => [name, of(model)]).filter(([, place]) => place);
  if (new Set(known.map(([, place]) => place)).size === 1) return known[0][1];
  return known.map(([name, place]) => `${place} (${name})`).join(", ");
}

function rowsOf(sides) {
  const rows = [
    ["Parameters", ({ cost: { parameters } }) => parameters, count],
    ["Multiply-adds per image", ({ cost: { macs } }) => macs, millions],
    ["Model in fp32", ({ served_bytes: size }) => size, bytes],
    ["Model in int8", ({ files }) => files["model.int8.onnx"], bytes],
    ["Whole version on disk", ({ files }) => Object.values(files).reduce((sum, size) => sum + size, 0), bytes],
    ["Training time", ({ cost: { training_seconds: seconds } }) => seconds, duration],
    ["Soft labels of the teacher", ({ cost: { teacher_seconds: seconds } }) => seconds, duration],
    ["Epochs", ({ cost: { epochs } }) => epochs, count],
    ["Inference time per image, fp32", ({ latency }) => timed(latency, "fp32"), milliseconds],
    ["Inference time per image, int8", ({ latency }) => timed(latency, "int8"), milliseconds],
    ["Speedup of int8, one image", ({ quantization }) => quantization?.speedup_batch_1, times],
  ];
  return rows
    .map(([name, of, write]) => [name, sides.map(({ model }) => of(model) ?? null), write])
    .filter(([, values]) => values.some((value) => value !== null))
    .map(([name, values, write]) => [name, ...values.map((value) => (value === null ? "–" : write(value))), write === times ? "" : ratio(...values)]);
}

function timed(latency, precision) {
  return latency?.timings.find((timing) => timing.precision === precision && timing.batch === 1)?.ms.value;
}

function millions(number) {
  return `${(number / 1e6).toFixed(number < 1e7 ? 2 : 1)} M`;
}

/** "41×" if the second needs 41 times as much as the first. */
function ratio(first, second) {
  if (!first || !second) return "";
  return times(second / first);
}

function times(factor) {
  return `${factor >= 99.5 ? Math.round(factor) : factor.toPrecision(2)}×`;
}
