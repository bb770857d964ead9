// Explanations: the input of each model, pixel by pixel, with an attribution map over it.
import { byId, fill, h } from "../dom.js";
import { errorNotice } from "../toast.js";
import { known } from "./families.js";
import { METHODS, SIGNED } from "./methods.js";
import { askMap, askView, cropText } from "./question.js";

export class Explanations {
  #state;
  #changed;
  #panels = new Map();
  #asking = null;

  /** `changed()` is called when the method, target class or opacity changes. */
  constructor(state, changed) {
    this.#state = state;
    this.#changed = changed;
  }

  /** The controls. */
  start() {
    const { settings } = this.#state;
    byId("methods").append(...Object.entries(METHODS).map(([method, [title]]) => h("label",
      h("input", { type: "radio", name: "method", value: method, checked: method === settings.method, onchange: () => this.#choose({ method }) }), title)));
    byId("target").addEventListener("change", () => this.#choose({ target: byId("target").value }));
    byId("strength").value = settings.strength;
    byId("strength").addEventListener("input", () => this.#blend());
    byId("strength").addEventListener("change", () => this.#choose({}));
    this.#blend();
    this.#explain();
  }

  /** The target classes, and one panel per family, empty. */
  build() {
    const { settings, families } = this.#state;
    this.clear();
    const classes = [...new Set(families.flatMap((family) => family.classes))];
    fill(byId("target"), h("option", { value: "" }, "predicted class"), classes.map((name) => h("option", { value: name }, name)));
    byId("target").value = classes.includes(settings.target) ? settings.target : "";
    this.#panels.clear();
    fill(byId("views"), families.map((family) => this.#panel(family)));
  }

  /** Clear all images, and drop those that are still to arrive. */
  clear() {
    this.#asking?.abort();
    for (const panel of this.#panels.values()) {
      panel.asked = panel.viewed = null;
      for (const image of [panel.view, panel.map]) replace(image, null);
      fill(panel.caption, "\u00a0");
      for (const problem of [panel.unseen, panel.problem]) fill(problem);
      panel.figure.removeAttribute("aria-busy");
    }
  }

  /** Mark the panels as busy until their maps arrive; the captions of older maps go at once. */
  wait() {
    this.#asking?.abort();
    for (const panel of this.#panels.values()) busy(panel);
  }

  /** Fetch views and maps of the current image; an error is shown in place of its map. */
  async refresh(signal) {
    const { families } = this.#state;
    await Promise.all(families.map((family) => this.#view(family, signal)));
    if (!signal.aborted) await this.#maps(signal);
  }

  #panel(family) {
    const [height, width] = family.size;
    const panel = {
      view: h("img.view", { alt: "", hidden: true }), map: h("img.map", { alt: "", hidden: true }),
      caption: h("figcaption.small.muted.break", "\u00a0"), unseen: h("div"), problem: h("div"), asked: null, viewed: null,
    };
    this.#panels.set(family.name, panel);
    return (panel.figure = h("figure.card.family.sight", { class: family.kind },
      h("h3.break", h("span.family-name", family.name), h("span.muted", ` input, ${width} × ${height} pixels`)),
      h("div.sight-frame", { vars: { "--ratio": width / height } }, panel.view, panel.map), panel.caption, panel.unseen, panel.problem));
  }

  #choose(changes) {
    Object.assign(this.#state.settings, changes, { strength: Number(byId("strength").value) });
    this.#explain();
    this.#changed();
    if (this.#state.comparison === null || Object.keys(changes).length === 0) return;
    this.#asking?.abort();
    this.#asking = new AbortController();
    for (const panel of this.#panels.values()) {
      replace(panel.map, null);
      busy(panel);
    }
    this.#maps(this.#asking.signal);
  }

  #blend() {
    byId("views").style.setProperty("--strength", byId("strength").value / 100);
  }

  #explain() {
    const { method } = this.#state.settings;
    const [, sentence] = METHODS[method];
    byId("strength").disabled = method === "";
    byId("target").disabled = method === "";
    fill(byId("method-note"), sentence, method && h("span.scale", { class: SIGNED.has(method) ? "signed" : "unsigned" },
      h("span", SIGNED.has(method) ? "against" : "little"), h("span.scale-bar"), h("span", SIGNED.has(method) ? "for" : "much")));
  }

  async #view(family, signal) {
    const { picture, crop } = this.#state;
    const panel = this.#panels.get(family.name);
    const viewed = (panel.viewed = {});
    fill(panel.unseen);
    try {
      const { blob } = await askView(picture.file, family, cropText(crop), signal);
      if (panel.viewed !== viewed) return;
      replace(panel.view, blob, `Input of ${family.name}`);
    } catch (error) {
      if (panel.viewed !== viewed) return;
      if (error.name === "AbortError") throw error;
      replace(panel.view, null);
      fill(panel.unseen, errorNotice(error));
    }
  }

  async #maps(signal) {
    await Promise.all(this.#state.families.map((family) => this.#map(family, signal)));
    performance.mark("explained");
  }

  async #map(family, signal) {
    const { settings: { method, target }, picture, crop } = this.#state;
    const panel = this.#panels.get(family.name);
    const asked = (panel.asked = {});
    fill(panel.problem);
    const without = (text) => {
      replace(panel.map, null);
      fill(panel.caption, text);
      panel.figure.removeAttribute("aria-busy");
    };
    if (method === "") return without("\u00a0");
    try {
      await known(family);
      if (panel.asked !== asked) return; // another map was requested meanwhile and may have arrived first
      if (!family.methods.includes(method)) {
        return without(`${METHODS[method][0]} does not support this model.`);
      }
      const label = family.classes.includes(target) ? target : "";
      const explained = await askMap(picture.file, family, cropText(crop), method, label, signal);
      if (panel.asked !== asked) return;
      replace(panel.map, explained.blob, `${METHODS[method][0]} of ${family.name} for ${explained.target.label}`);
      fill(panel.caption, caption(explained, target !== label && target));
      panel.figure.removeAttribute("aria-busy");
    } catch (error) {
      if (error.name === "AbortError" || panel.asked !== asked) return;
      without("\u00a0");
      fill(panel.problem, errorNotice(error));
    }
  }
}

function caption({ map, target }, unknown) {
  const parts = [`Target ${target.label}${unknown ? `, because the model has no class ${unknown}` : ""}.`];
  if (map.flat) parts.push("The map is constant and carries no information.");
  else parts.push(`Values from ${map.minimum.toPrecision(2)} to ${map.maximum.toPrecision(2)}.`);
  if (map.completeness?.relative_gap) parts.push(`Completeness gap ${(100 * map.completeness.relative_gap).toFixed(1)} %.`);
  if (typeof map.kept_share === "number") parts.push(`${Math.round(100 * map.kept_share)} % of the noisy copies keep the prediction.`);
  return parts.join(" ");
}

/** Drop maps that are still to arrive, and show that a newer one is being computed. */
function busy(panel) {
  panel.asked = null;
  fill(panel.problem);
  fill(panel.caption, h("span.loading", "Computing"));
  panel.figure.setAttribute("aria-busy", "true");
}

/** Show another blob in an image, or none, and release the previous one. */
function replace(image, blob, alt = "") {
  const old = image.src;
  image.hidden = blob === null;
  image.alt = alt;
  if (blob === null) image.removeAttribute("src");
  else image.src = URL.createObjectURL(blob);
  if (old) URL.revokeObjectURL(old);
}
