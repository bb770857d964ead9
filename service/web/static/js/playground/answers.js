// Prediction cards: class, probability, prediction set and out-of-distribution flag of each family.
import { byId, fill, h } from "../dom.js";
import { milliseconds, percent } from "../format.js";
import { toastError } from "../toast.js";
import { choose } from "./families.js";

const SHOWN = 5;

export class AnswerCards {
  #state;
  #changed;
  #cards = new Map();

  /** `changed()` is called when another version is chosen. */
  constructor(state, changed) {
    this.#state = state;
    this.#changed = changed;
  }

  /** One card per family, empty. */
  build() {
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
    fill(byId("verdict"), verdict(comparison, picture.sample), " ",
      h("span.small.muted", timing(comparison)));
  }

  #card(family) {
    const title = `answer-${family.name}`;
    const select = h("select", { "aria-label": `Version of ${family.name}`, onchange: () => this.#choose(family, select) },
      h("option", { value: "" }, `version ${family.champion}, champion`),
      family.versions.filter((version) => version !== family.champion).map((version) => h("option", { value: version }, `version ${version}`)));
    // A link may name the version that is now champion.
    select.value = family.version === family.champion ? "" : family.version ?? "";
    const card = {
      said: h("p.said.break"), sure: h("p.sure"), could: h("p.could"), strange: h("p.notice.warning", { hidden: true }),
      bars: h("ul.bars"), rest: h("details", { hidden: true }, h("summary", "\u00a0")), notes: h("p.small.muted.break.notes"),
    };
    this.#cards.set(family.name, card);
    card.whole = h("article.card.family.answer", { class: family.name, "aria-labelledby": title },
      h("div.row.spread", h("h2.family-name", { id: title }, family.name), h("div.version", select)),
      h("div.row.spread.headline", card.said, card.sure), card.could, card.strange, card.bars, card.rest, card.notes);
    return card.whole;
  }

  async #choose(family, select) {
    try {
      await choose(family, select.value === "" ? null : Number(select.value));
    } catch (error) {
      toastError(error);
    }
    this.#state.settings.versions[family.name] = family.version;
    this.#changed();
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
  card.notes.textContent = prediction.notes.length ? `Preprocessing: ${prediction.notes.join("; ")}.` : "No preprocessing.";
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

function could({ prediction_set: classes, coverage }) {
  const share = percent(coverage, 0);
  if (classes.length === 0) return "The prediction set is empty.";
  if (classes.length === 1) return [`Prediction set: `, h("strong", classes[0]), `, at ${share} coverage.`];
  return ["Prediction set: ", h("strong", classes.join(", ")), `, at ${share} coverage.`];
}

function verdict({ predictions, agree }, sample) {
  const told = agree ? `${predictions.length === 2 ? "Both" : "All"} predict ${predictions[0].label}.`
    : `They differ: ${predictions.map(({ model, label }) => `${model} predicts ${label}`).join(", ")}.`;
  if (sample === null) return told;
  const right = predictions.filter(({ label }) => label === sample.label).map(({ model }) => model);
  return [told, " ", h("strong.truth", `True class: ${sample.label}; ${judged(right, predictions.length)}.`)];
}

function judged(right, count) {
  if (right.length === count) return count === 2 ? "both are correct" : "all are correct";
  if (right.length === 0) return count === 2 ? "neither is correct" : "none is correct";
  return `${right.join(" and ")} ${right.length === 1 ? "is" : "are"} correct`;
}

function timing({ timing_ms: spent, milliseconds: whole }) {
  return `Inference ${milliseconds(spent.inference)}, decoding ${milliseconds(spent.decode)}, queue ${milliseconds(spent.queue)}; round trip ${milliseconds(whole)}.`;
}

