// Report on a data set: warnings, classes with samples, duplicates and unreadable files.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { older } from "../parts/older.js";
import { count, counted } from "../parts/size.js";
import { errorNotice } from "../toast.js";
import { skippedList } from "./data-view.js";
import { thumbnail } from "./set-images.js";

const POLL_MS = 700;
const CLASSES_AT_A_TIME = 20;
const GROUPS_AT_A_TIME = 10;
const TILES_OF_A_GROUP = 12;
const SEVERE = new Set(["too_few", "contradictory_labels"]);

/** The report, which the service makes on the first request for a version. */
export class ReportView {
  /**
   * @param {string} path of the data set
   * @param {(report: object) => void} onReady receives each finished report
   * @param {(changes: {file: string, label: string|null}[]) => Promise<boolean>} change saves an edit
   */
  constructor(path, onReady, change) {
    this.change = change;
    this.path = path;
    this.onReady = onReady;
    this.asked = 0;
    this.bar = h("div.progress", { role: "progressbar", "aria-label": "Report", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.said = h("p.small", { role: "status" });
    this.running = h("section.card", h("div.stack-tight", h("p", "Reading the images"), this.bar, this.said));
    this.content = h("div.stack");
    this.element = h("div.stack", this.running, this.content);
  }

  /** Ask until the report is ready; a later call replaces this one. */
  async reload() {
    const mine = ++this.asked;
    try {
      let found = await askJSON(`${this.path}/report`);
      while (found.state === "running" && mine === this.asked) {
        this.#progress(found);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        found = await askJSON(`${this.path}/report`);
      }
      if (mine !== this.asked) return;
      this.running.hidden = true;
      if (found.state === "failed") fill(this.content, h("div.notice.bad", { role: "alert" }, h("p", `The report failed: ${found.error}.`)));
      else this.#draw(found.report);
    } catch (error) {
      if (mine !== this.asked) return;
      this.running.hidden = true;
      fill(this.content, errorNotice(error));
    }
  }

  #progress({ read, files }) {
    this.running.hidden = false;
    this.bar.style.setProperty("--share", files ? read / files : 0);
    this.bar.setAttribute("aria-valuenow", files ? Math.round(100 * read / files) : 0);
    this.said.textContent = `${count(read)} of ${counted("file", files)}`;
  }

  #draw(report) {
    this.onReady(report);
    fill(this.content,
      h("section.card.stack-tight", h("h2", "Warnings"),
        report.warnings.length
          ? h("ul.set-warnings", report.warnings.map(({ kind, text }) => h("li.notice", { class: SEVERE.has(kind) ? "bad" : "warning" }, text)))
          : h("p.notice.good", "No problem was found."),
        report.unreadable > 0 && skippedList(report.unreadable_files, report.unreadable - report.unreadable_files.length, "Unreadable")),
      this.#classes(report),
      report.duplicate_groups > 0 && this.#duplicates(report));
  }

  #classes({ classes, sides }) {
    const most = Math.max(1, ...classes.map(({ images }) => images));
    const list = h("ul.set-classes");
    const show = (from) => {
      list.append(...classes.slice(from, from + CLASSES_AT_A_TIME).map((one) => this.#class(one, most)));
      return from + CLASSES_AT_A_TIME < classes.length ? from + CLASSES_AT_A_TIME : null;
    };
    const next = show(0);
    return h("section.card.stack-tight", h("h2", "Classes"),
      sides && h("p.small.muted", `Shorter sides: ${count(sides.smallest)} to ${count(sides.largest)} pixels, median ${count(sides.median)}. Brightness is the mean and contrast the standard deviation of an image's values, from 0 to 1; medians of the class.`),
      list, older("More classes", next, async (from) => show(from)));
  }

  #class({ label, images, brightness, contrast, samples }, most) {
    const figures = brightness === null ? "" : ` · brightness ${brightness.toFixed(2)} · contrast ${contrast.toFixed(2)}`;
    return h("li",
      h("div.set-class-head", h("h3.clip", { title: label }, label), h("span.bar", { vars: { "--share": images / most } }), h("span.small.muted", counted("image", images) + figures)),
      h("div.set-samples", samples.map((file) => thumbnail(this.path, file, `Sample of ${label}`))));
  }

  #duplicates({ duplicates, duplicate_groups: total }) {
    const list = h("ul.set-groups");
    const show = (from) => {
      list.append(...duplicates.slice(from, from + GROUPS_AT_A_TIME).map((one) => this.#group(one)));
      return from + GROUPS_AT_A_TIME < duplicates.length ? from + GROUPS_AT_A_TIME : null;
    };
    const next = show(0);
    return h("section.card.stack-tight", h("h2", "Duplicates"),
      h("p.small.muted", total > duplicates.length ? `The first ${count(duplicates.length)} of ${count(total)} groups.` : `${counted("group", total)} of images that show nearly the same picture.`),
      list, older("More groups", next, async (from) => show(from)));
  }

  #removal(label, file) {
    return h("button.link.muted", { type: "button", onclick: () => this.change([{ file, label: null }]), "aria-label": `Remove ${label}: ${file}` }, "Remove");
  }

  #group({ exact, labels_differ: differ, files }) {
    return h("li",
      h("div.row", h("span.badge", exact ? "Same content" : "Nearly the same"), differ && h("span.badge.warning", "Different classes")),
      h("div.set-samples", files.slice(0, TILES_OF_A_GROUP).map(({ file, label }) => h("figure", thumbnail(this.path, file, file), h("figcaption.small", h("p.clip", { title: file }, label), this.#removal(label, file))))),
      files.length > TILES_OF_A_GROUP && h("p.small.muted", `and ${counted("other file", files.length - TILES_OF_A_GROUP)}`));
  }
}
