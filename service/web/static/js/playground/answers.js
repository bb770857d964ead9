// Prediction cards: class, probability, prediction set and out-of-distribution flag of each family.
import { byId, fill, h } from "../dom.js";
import { milliseconds, percent } from "../format.js";
import { groups } from "./chooser.js";

const SHOWN = 5;
const NAMED = 10; // classes of a prediction set

export class AnswerCards {
  #state;
  #choose;
  #cards = new Map();

  /** `choose(family, version)` is called when another version is chosen; null for the champion. */
  constructor(state, choose) {
    this.#state = state;
    this.#choose = choose;
  }

  /** One card per family, empty. */
  build() {
    this.#cards.clear();
    fill(byId("answers"), this.#state.families.map((family) => this.#card(family)));
    this.clear();
  }

  /** Clear the predictions. */
  clear() {
    byId("answers").removeAttribute("aria-busy");
    for (const card of this.#cards.values()) {
      card.whole.classList.add("unasked");
      card.said.textContent = "–";
      card.sure.textContent = "";
      card.could.textContent = "";
      card.strange.hidden = true;
      fill(card.bars, Array.from({ length: SHOWN }, () => bar("–", 0, "")));
      card.rest.hidden = true;
      card.notes.textContent = "";
    }
  }

  /** Mark the cards as busy; the last predictions stay until new ones arrive. */
  wait() {
    byId("answers").setAttribute("aria-busy", "true");
  }

  /** Show the response of POST /compare to this image. */
  show(comparison, picture) {
    for (const prediction of comparison.predictions) fillCard(this.#cards.get(prediction.model), prediction);
    byId("answers").removeAttribute("aria-busy");
    fill(byId("verdict"), verdict(comparison, this.#state.families, picture.sample), " ",
      h("span.small.muted", timing(comparison)));
  }

  #card(family) {
    const title = `answer-${family.name}`;
    const select = h("select", { "aria-label": `Version of ${family.name}`, onchange: () => this.#choose(family, select.value === "" ? null : Number(select.value)) },
      h("option", { value: "" }, `version ${family.champion}, champion`),
      family.versions.filter((version) => version !== family.champion).map((version) => h("option", { value: version }, `version ${version}`)));
    // A link may name the version that is now champion.
    select.value = family.version === family.champion ? "" : family.version ?? "";
    const card = {
      said: h("p.said.break"), sure: h("p.sure"), could: h("p.could"), strange: h("p.notice.warning", { hidden: true }),
      bars: h("ul.bars"), rest: h("details", { hidden: true }, h("summary", "\u00a0")), notes: h("p.small.muted.break.notes"),
    };
    this.#cards.set(family.name, card);
    card.whole = h("article.card.family.answer", { class: family.kind, "aria-labelledby": title },
      h("div.row.spread", h("h2.family-name.clip", { id: title, title: family.name }, family.name), h("div.version", select)),
      h("div.row.spread.headline", card.said, card.sure), card.could, card.strange, card.bars, card.rest, card.notes);
    return card.whole;
  }
}

function fillCard(card, prediction) {
  card.whole.classList.remove("unasked");
  card.said.textContent = prediction.label;
  card.sure.textContent = percent(prediction.probability);
  fill(card.could, could(prediction));
  const { score, threshold, flag } = prediction.out_of_distribution;
  card.strange.hidden = !flag;
  card.strange.textContent = "Out of distribution: the image is unlike the training data, so the prediction is unreliable. "
    + `Energy ${score.toFixed(2)}, threshold ${threshold.toFixed(2)}.`;
  const rows = prediction.top.map(({ label, probability }) => bar(label, probability, percent(probability)));
  update(card.bars, rows.slice(0, SHOWN));
  const rest = rows.slice(SHOWN);
  const open = card.rest.open;
  card.rest.hidden = rest.length === 0;
  fill(card.rest, h("summary", `${rest.length} more classes`), h("ul.bars", rest));
  card.rest.open = open;
  const notes = prediction.notes.length ? `Preprocessing: ${prediction.notes.join("; ")}.` : "No preprocessing.";
  card.notes.textContent = `${notes} Precision: ${prediction.precision}.`;
}

/** Replace the rows; bars that stay are animated from their old values. */
function update(list, rows) {
  if (list.children.length !== rows.length) {
    fill(list, rows);
    return;
  }
  rows.forEach((row, place) => {
    const [label, share, text] = row.children;
    const [oldLabel, oldShare, oldText] = list.children[place].children;
    oldLabel.replaceWith(label);
    oldShare.style.setProperty("--share", share.style.getPropertyValue("--share"));
    oldText.replaceWith(text);
  });
}

function bar(label, share, text) {
  return h("li", h("span.clip", { title: label }, label), h("span.bar", { "aria-hidden": "true", vars: { "--share": share } }), h("span.number", text));
}

/** The prediction set, with the images that its coverage holds for. */
function could({ prediction_set: classes, coverage, out_of_distribution: { flag } }) {
  const share = percent(coverage, 0);
  const set = classes.length ? ["Prediction set: ", h("strong", named(classes)), ". "] : "The prediction set is empty. ";
  return [set, h("span.small.muted", flag
    ? `The ${share} coverage holds only for images like the training data, and this image is flagged as unlike them: the true class may be none of these.`
    : `For images like the training data, the set contains the true class in ${share} of the cases.`)];
}

function named(classes) {
  const rest = classes.length - NAMED;
  return rest > 0 ? `${classes.slice(0, NAMED).join(", ")} and ${rest} more` : classes.join(", ");
}

/** The predictions in words; only families with the same classes are compared. */
function verdict({ predictions }, families, sample) {
  const told = groups(families).map((group) => compared(predictions.filter(({ model }) => group.some(({ name }) => name === model)))).join(" ");
  if (sample === null) return told;
  const asked = predictions.filter(({ model }) => families.find(({ name }) => name === model).classes.includes(sample.label));
  if (asked.length === 0) return [told, " ", h("strong.truth", `True class: ${sample.label}.`)]; // nobody could know it
  const right = asked.filter(({ label }) => label === sample.label).map(({ model }) => model);
  return [told, " ", h("strong.truth", `True class: ${sample.label}; ${judged(right, asked.length)}.`)];
}

function compared(predictions) {
  const [{ label, model }] = predictions;
  if (predictions.length === 1) return `${model} predicts ${label}.`;
  if (predictions.every((each) => each.label === label)) return `${predictions.length === 2 ? "Both" : "All"} predict ${label}.`;
  return `They differ: ${predictions.map((each) => `${each.model} predicts ${each.label}`).join(", ")}.`;
}

function judged(right, count) {
  if (count === 1) return `the prediction is ${right.length ? "correct" : "wrong"}`;
  if (right.length === count) return count === 2 ? "both are correct" : "all are correct";
  if (right.length === 0) return count === 2 ? "neither is correct" : "none is correct";
  return `${right.join(" and ")} ${right.length === 1 ? "is" : "are"} correct`;
}

function timing({ timing_ms: spent, milliseconds: whole }) {
  return `Inference ${milliseconds(spent.inference)}, decoding ${milliseconds(spent.decode)}, queue ${milliseconds(spent.queue)}; round trip ${milliseconds(whole)}.`;
}

