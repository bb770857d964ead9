// Confusion matrix of each version, whose cells are read with the pointer or the arrow keys; of more than 100 classes,
// the most frequent confusions.
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { count } from "../parts/size.js";
import { shareInterval, table as listing } from "./figures.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const LISTED = 30;

/** The section of confusion matrices. */
export function confusion(data, sides) {
  const names = data.class_names;
  if (!data.first.scores.confusion_matrix.length) return confused(sides);
  const readout = h("p.readout", { "aria-hidden": "true" });
  const place = h("div.matrices");
  const tables = [];
  const point = (row, column) => {
    fill(readout, h("strong", said(names, row, column)), " ", sides.map((side) => h("span.family-name", { class: side.kind }, `${side.name} ${figures(side, row, column)}`)));
    for (const table of tables) {
      table.querySelector(".pointed")?.classList.remove("pointed");
      table.rows[row + 1].cells[column + 1].classList.add("pointed");
    }
  };
  const draw = (unit) => {
    tables.splice(0, tables.length, ...sides.map((side) => matrix(side, names, unit, point)));
    fill(place, tables.map((table, index) => h("div.matrix-side", h("h3.family-name", { class: sides[index].kind }, sides[index].name), h("div.table-box.matrix-box", table))));
    point(...worst(data));
  };
  draw("rates");
  return h("section.card.section", { "aria-labelledby": "confusion" },
    h("div.row.spread", h("h2", { id: "confusion" }, "Confusion matrices"),
      h("fieldset.choice", h("legend.visually-hidden", "Cells"), [["rates", "Share of the row in %"], ["counts", "Images"]].map(([unit, name]) => h("label",
        h("input", { type: "radio", name: "cells", value: unit, checked: unit === "rates", onchange: () => draw(unit) }), name)))),
    h("p.small.muted", "Rows are true classes, columns are predicted classes; correct predictions are on the diagonal. The stronger the color, the larger the share of the row. Point at a cell, or move with the arrow keys."),
    readout, place);
}

/** The most frequent confusions of each version. */
function confused(sides) {
  const columns = [{ text: "True class" }, { text: "Predicted" }, { text: "Images", number: true }];
  return h("section.card.section", { "aria-labelledby": "confusion" },
    h("h2", { id: "confusion" }, "Most frequent confusions"),
    h("div.matrices", sides.map((side) => {
      const pairs = side.model.scores.confusions ?? [];
      const rows = pairs.slice(0, LISTED).map((pair) => [pair.label, pair.predicted, count(pair.images)]);
      return h("div.matrix-side", h("h3.family-name", { class: side.kind }, side.name),
        rows.length ? listing(`Confusions of ${side.name}`, columns, rows) : h("p.small.muted", "No confusion."));
    })));
}

function matrix(side, names, unit, point) {
  const { scores: { confusion_matrix: counts }, probability: { confusion_rates: rates } } = side.model;
  const label = `Confusion matrix of ${side.name}`;
  const table = h("table.matrix", { class: side.kind, role: "grid", "aria-label": label, vars: { "--classes": names.length } },
    h("thead", h("tr", h("th.corner", { scope: "col" }, h("b.visually-hidden", "True class")), names.map((name) => h("th", { scope: "col" }, h("span", name))))),
    h("tbody", counts.map((row, k) => h("tr", h("th", { scope: "row" }, names[k]), row.map((number, j) => cell(number, rates[k][j], k, j))))));

  function cell(number, rate, k, j) {
    const share = rate?.value ?? 0;
    return h("td", {
      class: k === j ? "right" : null,
      role: "gridcell",
      tabindex: k || j ? -1 : 0,
      vars: { "--heat": Math.sqrt(share).toFixed(3) },
      onfocus: () => point(k, j),
      onmouseenter: () => point(k, j),
    }, unit === "counts" ? count(number) : number ? (100 * share).toFixed(share < 0.1 ? 1 : 0) : "·",
    h("span.visually-hidden", `: ${said(names, k, j)}, ${figures(side, k, j)}`));
  }

  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const from = event.target.closest("[role=gridcell]");
    if (!step || !from) return;
    event.preventDefault();
    const to = table.rows[from.parentElement.rowIndex + step[0]]?.cells[from.cellIndex + step[1]];
    if (to?.getAttribute("role") !== "gridcell") return;
    table.querySelector("[tabindex='0']").tabIndex = -1; // not `from` if another cell was clicked
    to.tabIndex = 0;
    to.focus();
  });
  return table;
}

function said(names, row, column) {
  return row === column ? `${names[row]} predicted correctly` : `${names[row]} predicted as ${names[column]}`;
}

function figures({ model }, row, column) {
  const rate = model.probability.confusion_rates[row][column];
  if (!rate) return "no image of this class";
  return `${percent(rate.value)} (${shareInterval(rate)}), ${count(model.scores.confusion_matrix[row][column])} images`;
}

/** The most frequent confusion of the first version. */
function worst({ first: { scores: { confusion_matrix: counts } } }) {
  const mistakes = counts.flatMap((row, k) => row.map((number, j) => [k === j ? -1 : number, k, j]));
  const [, row, column] = mistakes.reduce((most, each) => (each[0] > most[0] ? each : most));
  return [row, column];
}
