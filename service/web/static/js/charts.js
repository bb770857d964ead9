// Line charts with uPlot, in the theme's colors, with the data as an accessible table.
import { fill, h } from "./dom.js";

const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

let library = null;

/**
 * A chart that follows the size of its container and the theme.
 *
 * target: element whose content is replaced. settings:
 *   title, xLabel, height (240)
 *   series: [{label, color: "--mlp", dash: [4, 4], points: true}], color is a CSS custom property
 *   format: value -> text, for the axis, the legend and the table; formatX likewise
 *   yRange: [low, high], null for an end that follows the data
 *   wholeX: only whole numbers on the x axis
 *
 * Returns {update(columns), destroy()}; columns are [x, y of the first series, ...], null for missing values.
 */
export async function lineChart(target, settings) {
  library ??= await load();
  const { title, xLabel, height = 240, series, format = String, formatX = String, yRange, wholeX = false } = settings;
  const plotAt = h("div.chart-plot", { "aria-hidden": "true", vars: { "min-height": `${height}px` } });
  const legend = h("ul.legend", series.map((each) => h("li", {
    vars: { "--stroke": `var(${each.color})`, "--stroke-style": each.dash ? "dashed" : "solid" } }, each.label)));
  const table = h("table");
  fill(target, h("figure.chart", h("figcaption", title), legend, plotAt,
    h("details", h("summary", "Show as a table"), h("div.table-box", { tabindex: 0, role: "group", "aria-label": title }, table))));
  let columns = [[], ...series.map(() => [])];
  let plot = null;

  function draw() {
    plot?.destroy();
    const [ink, line] = [color(target, "--muted"), color(target, "--line")];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    plot = new library({
      width: Math.max(120, plotAt.clientWidth), height, legend: { show: false }, cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false }, y: yRange ? { range: (_, low, high) => [yRange[0] ?? low, yRange[1] ?? high] } : {} },
      axes: [
        { ...axis, ...(wholeX ? { incrs: WHOLE_STEPS } : {}), label: xLabel, labelSize: 20, labelFont: "12px system-ui, sans-serif", values: (_, ticks) => ticks.map((tick) => formatX(tick)) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => format(tick)) },
      ],
      series: [{}, ...series.map((each) => ({
        label: each.label, stroke: color(target, each.color), width: 2, dash: each.dash,
        points: { show: each.points ?? false, size: 5 }, spanGaps: true,
      }))],
    }, columns, plotAt);
  }

  function tabulate() {
    fill(table, h("thead", h("tr", h("th", { scope: "col" }, xLabel), series.map((each) => h("th.number", { scope: "col" }, each.label)))),
      h("tbody", columns[0].map((x, row) => columns.slice(1).some((column) => (column[row] ?? null) !== null) && h("tr", h("th", { scope: "row" }, formatX(x)),
        columns.slice(1).map((column) => h("td.number", column[row] === null || column[row] === undefined ? "" : format(column[row])))))));
  }

  const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(120, plotAt.clientWidth), height }));
  resized.observe(plotAt);
  document.addEventListener("themechange", draw);
  draw();
  return {
    update(next) {
      columns = next;
      plot.setData(columns);
      tabulate();
    },
    destroy() {
      resized.disconnect();
      document.removeEventListener("themechange", draw);
      plot.destroy();
    },
  };
}

async function load() {
  const style = h("link", { rel: "stylesheet", href: new URL("../vendor/uplot/uPlot.min.css", import.meta.url).href });
  const styled = new Promise((resolve, reject) => {
    style.addEventListener("load", resolve);
    style.addEventListener("error", () => reject(new Error("the charts' style sheet could not be loaded")));
  });
  document.head.append(style);
  const [{ default: uPlot }] = await Promise.all([import("../vendor/uplot/uPlot.esm.js"), styled]);
  return uPlot;
}

/** Value of a CSS custom property in the current theme, for a canvas. */
function color(element, token) {
  const probe = h("span", { vars: { color: `var(${token})` } });
  element.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
