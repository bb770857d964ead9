// Labelling queue: shows a picture, sends the label of a button or key, and undoes the last actions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { counted } from "../parts/size.js";
import { withKey } from "../session.js";
import { errorNotice, toastError } from "../toast.js";
import { keyOf, meaningOf } from "./keys.js";

const MAX_UNDO = 50;
const FILTERED_FROM = 20;
const SIDE = 288; // CSS pixels of the longer side of a small picture

export class Queue {
  /** `changed` is called after each label that was stored. */
  constructor(changed) {
    this.changed = changed;
    this.task = null;
    this.busy = false;
    this.done = [];
    this.place = h("div.label-place");
    this.said = h("p.small.muted", { role: "status" });
    this.undo = h("button.button.quiet", { type: "button", disabled: true, onclick: () => this.act({ action: "undo" }) }, "Undo ", h("kbd", { "aria-hidden": "true" }, "U"));
    this.element = h("section.card.label-card", { "aria-label": "Picture to label" }, this.place, h("div.row.spread", this.said, this.undo));
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Claim and show the next picture; false if that failed. */
  async next() {
    if (this.task === null) fill(this.place, h("p.loading", "Loading a picture …"));
    try {
      const found = await withKey(() => askJSON("/labelling/next"));
      if (found === null) return this.#stop(h("div.empty", h("p", "Sign in with a key of scope jobs to label pictures."), this.#again("Sign in")));
      this.#show(found.task, found.counts);
      return true;
    } catch (error) {
      return this.#stop(h("div.stack-tight", errorNotice(error), this.#again("Try again")));
    }
  }

  /** Label the picture, skip it, or undo the last action. */
  async act({ action, label }) {
    const task = action === "undo" ? this.done.at(-1) : this.task;
    if (this.busy || !task) return;
    this.#work(true);
    try {
      const json = { action, ...(action === "label" && { label }), ...(action !== "undo" && { claim: task.claim }) };
      const result = await withKey(() => askJSON(`/labelling/${task.id}`, { method: "POST", json }));
      if (result === null) return;
      if (action === "undo") {
        this.done.pop();
        if (result.task) this.#show(result.task, result.counts);
        else await this.next();
      } else {
        this.done = [...this.done.slice(1 - MAX_UNDO), task];
        this.task = null;
        await this.next();
      }
      this.changed();
    } catch (error) {
      toastError(error);
      if (error.status === 404 || error.status === 409) {
        if (action === "undo") this.done.pop();
        else await this.next(); // somebody else may have the picture
      }
    } finally {
      this.#work(false);
    }
  }

  #show(task, counts) {
    this.task = task;
    this.said.textContent = `${counted("picture", counts.waiting)} waiting, ${counts.labelled} labelled`;
    if (task === null) {
      const text = counts.waiting ? "Other people have the remaining pictures, or you skipped them." : "No picture is waiting.";
      fill(this.place, h("div.empty", h("p", text), this.#again("Look again")));
      return;
    }
    const scale = Math.max(1, Math.floor(SIDE / Math.max(task.width, task.height)));
    const picture = h("img.label-picture", {
      src: task.picture, alt: "Picture to label", width: task.width * scale, height: task.height * scale,
      class: scale > 2 ? "pixelated" : "",
    });
    const classes = h("div.label-classes", { role: "group", "aria-label": "Classes" }, task.classes.map((label, position) => this.#choice(label, position)));
    fill(this.place, h("div.label-work", h("div.label-side", picture,
      task.origin === "trial" && h("p.small.muted", "The models of a shadow trial disagree on this picture.")),
    h("div.stack-tight", task.classes.length >= FILTERED_FROM && this.#filter(classes), classes,
      h("div.actions",
        h("button.button", { type: "button", onclick: () => this.act({ action: "none" }) }, "None of these ", h("kbd", { "aria-hidden": "true" }, "N")),
        h("button.button", { type: "button", onclick: () => this.act({ action: "skip" }) }, "Skip ", h("kbd", { "aria-hidden": "true" }, "S"))))));
  }

  #choice(label, position) {
    const key = keyOf(position);
    return h("button.button.label-class", { type: "button", dataset: { label }, onclick: () => this.act({ action: "label", label }) },
      h("span.break", label), key && h("kbd", { "aria-hidden": "true" }, key));
  }

  #filter(classes) {
    const typed = h("input", { type: "search", "aria-label": "Filter classes", placeholder: "Filter classes", autocomplete: "off", spellcheck: "false" });
    typed.addEventListener("input", () => {
      const wanted = typed.value.trim().toLowerCase();
      for (const button of classes.children) button.hidden = !button.dataset.label.toLowerCase().includes(wanted);
    });
    return typed;
  }

  #pressed(event) {
    const isTyping = event.target.closest("input, select, textarea, dialog");
    if (isTyping || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const meaning = meaningOf(event.key, this.task?.classes ?? []);
    if (meaning === null) return;
    event.preventDefault();
    this.act(meaning);
  }

  #again(label) {
    return h("button.button", { type: "button", onclick: () => this.next().then((found) => found && this.changed()) }, label);
  }

  #stop(content) {
    this.task = null;
    fill(this.place, content);
    return false;
  }

  #work(busy) {
    this.busy = busy;
    this.undo.disabled = busy || this.done.length === 0;
    this.element.setAttribute("aria-busy", String(busy));
  }
}
