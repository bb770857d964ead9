// Formatting of estimates and their confidence intervals, and tables.
import { h } from "../dom.js";
import { percent } from "../format.js";

const MINUS = "\u2212";
const NBSP = "\u00a0";

/** 0.0412 -> "0.041", -1.2 -> "−1.200". */
export function plain(value, digits = 3) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** As `plain`, with a plus sign if positive. */
export function signed(value) {
  return value > 0 ? `+${plain(value)}` : plain(value);
}

/** "59.6 to 61.5 %": interval of a share. */
export function shareInterval({ low, high }, digits = 1) {
  return `${(100 * low).toFixed(digits)}${NBSP}to ${percent(high, digits)}`;
}

/** "0.961 to 0.998": interval of any other estimate; `write` formats both ends. */
export function interval({ low, high }, write = plain) {
  return `${write(low)}${NBSP}to ${write(high)}`;
}

/** 0.0123 -> "p = 0.0123", 1e-9 -> "p < 0.0001". */
export function pValue(p) {
  return p < 1e-4 ? "p < 0.0001" : `p = ${Number(p.toPrecision(2))}`;
}

/** The sentence with no-break spaces between numbers and units. */
export function unbroken(sentence) {
  return sentence.replaceAll(/(\d) %/g, `$1${NBSP}%`).replaceAll(/\bp ([<=]) /g, `p${NBSP}$1${NBSP}`);
}

/** A cell with a value, and below it its interval or another detail. */
export function twoLines(value, detail) {
  return [value, h("br"), h("span.muted", detail)];
}

/** A table in a scrollable box: columns as [{text, number}], rows of cells, the first cell of each is its header. */
export function table(label, columns, rows) {
  const at = (cell, column, tag, properties = {}) => h(`${tag}${columns[column].number ? ".number" : ""}`, properties, cell);
  return h("div.table-box", { tabindex: 0, role: "group", "aria-label": label }, h("table",
    h("thead", h("tr", columns.map((column, index) => at(column.text, index, "th", { scope: "col" })))),
    h("tbody", rows.map((row) => h("tr", row.map((cell, index) => (index ? at(cell, index, "td") : at(cell, index, "th", { scope: "row" }))))))));
}

/** The same inside <details>, below a chart. */
export function tableBehind(label, columns, rows, summary = "Show as a table") {
  return h("details", h("summary", summary), table(label, columns, rows));
}
