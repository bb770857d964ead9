// Robustness: accuracy under corruption, shift, rotation and adversarial attack.
import { h } from "../dom.js";
import { percent, points } from "../format.js";
import { count } from "../parts/size.js";
import { shareInterval, tableBehind, twoLines } from "./figures.js";
import { lead, legend, pairs } from "./pairs.js";

const KINDS = { noise: "Noise", blur: "Blur", weather: "Weather", digital: "Digital", shift: "Shift and rotation", rotation: "Shift and rotation", original: "Noise before resizing", fgsm: "Adversarial" };

/** The robustness section, or the commands that measure it. */
export function robustness(data, sides) {
  const found = data.robustness;
  return h("section.card.section", { "aria-labelledby": "robustness" }, h("h2", { id: "robustness" }, "Robustness"),
    found ? measured(found, sides) : null,
    data.notes.map((note) => h("p.notice", marked(note))));
}

function measured(found, sides) {
  const all = found.all_corruptions;
  const kept = all.kept_difference;
  const clear = kept.low > 0 || kept.high < 0;
  const less = sides[kept.value > 0 ? 0 : 1];
  const lost = [found.first_clean.value - all.first.value, found.second_clean.value - all.second.value];
  return [
    h("p", `Over all corruptions, ${sides[0].name} loses ${(100 * lost[0]).toFixed(1)} points of accuracy and ${sides[1].name} loses ${(100 * lost[1]).toFixed(1)}. `,
      clear ? `${less.name} loses less, by ${between(kept)} points.` : "The difference is not significant."),
    flagged(found, sides),
    h("p.small.muted", "On the right, the difference in percentage points; if its 95 % interval excludes zero, it has the color of the better version."),
    legend(sides),
    pairs([...overall(found, sides), ...grouped(found.conditions, sides)], sides),
    levels(found, sides),
    shifted(found, sides),
    h("p.small.muted", `${found.benchmark}, on ${count(found.data.images)} test images, mean over all levels of a condition; the table lists each level. Not included: ${found.left_out.join("; ")}.`),
  ];
}

/** Share of corrupted images that each version flags, if measured. */
function flagged({ first_flag_rate: first, second_flag_rate: second }, sides) {
  const said = [first, second].flatMap((rate, index) => (rate === null ? [] : [`${sides[index].name} flags ${percent(rate)}`]));
  return said.length ? h("p", `Of the corrupted images, which still show the classes, ${said.join(" and ")} as out of distribution.`) : null;
}

function overall({ first_clean: first, second_clean: second, all_corruptions: all }, sides) {
  return [{ label: "clean images", first, second }, { label: "all corruptions", first: all.first, second: all.second, aside: apart(all, sides) }];
}

function grouped(conditions, sides) {
  const rows = [];
  let heading = null;
  for (const { name, kind, mean } of conditions) {
    if (KINDS[kind] !== heading) rows.push({ heading: (heading = KINDS[kind]) });
    rows.push({ label: readable(name), first: mean.first, second: mean.second, aside: apart(mean, sides) });
  }
  return rows;
}

/** "13.2 (95 % interval 11.0 to 15.4)": absolute difference in points. */
function between({ value, low, high }) {
  const ends = [low, high].map((end) => 100 * Math.sign(value) * end).sort((a, b) => a - b);
  return `${Math.abs(100 * value).toFixed(1)} (95 % interval ${ends.map((end) => end.toFixed(1)).join(" to ")})`;
}

function apart({ difference }, sides) {
  const clear = difference.low > 0 || difference.high < 0;
  return lead(difference.value, clear, sides, `95 % interval ${points(difference.low)} to ${points(difference.high)}`);
}

function levels({ conditions }, sides) {
  const columns = [{ text: "Condition" }, { text: "Level", number: true }, { text: "Setting" },
    ...sides.map((side) => ({ text: side.name, number: true }))];
  return tableBehind("Accuracy under each condition and level", columns, conditions.flatMap(({ name, levels: each }) => each.map((level) => [
    readable(name), level.level, level.setting, ...[level.first, level.second].map((estimate) => twoLines(percent(estimate.value), shareInterval(estimate)))])), "Show as a table, with 95 % intervals");
}

/** Calibration error, coverage and flag rate under each condition, if measured. */
function shifted({ conditions }, sides) {
  const known = conditions.filter((each) => each.first_shift.ece !== null || each.second_shift.ece !== null);
  if (known.length === 0) return null;
  const share = (value) => (value === null ? "" : percent(value));
  const columns = [{ text: "Condition" }, ...sides.flatMap(({ name }) => [{ text: `${name}, calibration error`, number: true },
    { text: "prediction sets with the true class", number: true }, { text: "flagged", number: true }])];
  return tableBehind("Calibration, prediction sets and flags under each condition, mean over its levels", columns,
    known.map(({ name, first_shift: first, second_shift: second }) => [readable(name),
      ...[first, second].flatMap((each) => [share(each.ece), share(each.coverage), share(each.flag_rate)])]), "Show calibration under each condition");
}

function readable(name) {
  return name === "fgsm" ? "FGSM" : name.replaceAll("_", " ");
}

/** Text between backquotes as <code>. */
function marked(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", part) : part));
}
