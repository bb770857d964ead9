// Images of a data set in pages; selected ones get another class, or are removed or restored.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { older } from "../parts/older.js";
import { counted } from "../parts/size.js";
import { errorNotice } from "../toast.js";

const PAGE = 48;
const REMOVED = "\u0000removed"; // no class has this name

/** Small version of an image of a data set. */
export function thumbnail(path, file, alt) {
  return h("img.thumbnail", { src: `${path}/thumbnail?file=${encodeURIComponent(file)}`, alt, title: file, width: 160, height: 160, loading: "lazy" });
}

/** Grid of images with a filter and the actions for the selected ones. */
export class ImageGrid {
  /**
   * @param {string} path of the data set
   * @param {(changes: {file: string, label: string|null}[]) => Promise<boolean>} change saves an edit
   */
  constructor(path, change) {
    this.path = path;
    this.change = change;
    this.asked = 0;
    this.selected = new Map();
    this.unreadable = new Map();
    this.filter = h("select", { "aria-label": "Show", onchange: () => this.reload() });
    this.target = h("input", { type: "text", list: "set-classes", maxlength: 100, autocomplete: "off", spellcheck: "false", "aria-label": "New class", placeholder: "Class" });
    this.options = h("datalist", { id: "set-classes" });
    this.total = h("p.small.muted", { role: "status" });
    this.grid = h("ul.set-grid");
    this.problem = h("div");
    this.more = h("div.actions");
    this.count = h("p.small", { role: "status" });
    this.move = h("form.row.set-move", { onsubmit: (event) => this.#moved(event) }, this.target, h("button.button", { type: "submit" }, "Move to class"));
    this.remove = h("button.button.danger", { type: "button", onclick: () => this.#edit(() => null) }, "Remove");
    this.restore = h("button.button", { type: "button", onclick: () => this.#edit((image) => image.label) }, "Restore");
    this.clear = h("button.button.quiet", { type: "button", onclick: () => this.#clear() }, "Clear");
    this.bar = h("div.set-bar", { role: "group", "aria-label": "Selected images" }, this.count, this.move, this.remove, this.restore, this.clear);
    this.element = h("section.card.stack-tight",
      h("div.row.spread", h("h2", "Images"), h("div.pick", this.filter)),
      h("p.small.muted", "Select images to correct their class or to remove them."),
      this.options, this.total, this.problem, this.grid, this.more, this.bar);
    this.#tell();
  }

  /** Names of the classes, for the filter and the suggestions. */
  set classes(labels) {
    const { value } = this.filter;
    fill(this.filter, h("option", { value: "" }, "All classes"), labels.map((label) => h("option", { value: label }, label)), h("option", { value: REMOVED }, "Removed images"));
    this.filter.value = [...this.filter.options].some((option) => option.value === value) ? value : "";
    fill(this.options, labels.map((label) => h("option", { value: label })));
  }

  /** Take the unreadable files from a report. */
  learn({ unreadable_files: files }) {
    this.unreadable = new Map(files.map(({ file, reason }) => [file, reason]));
  }

  /** Show the first page of the selected class. */
  async reload() {
    const mine = ++this.asked;
    this.#clear();
    try {
      const first = await this.#page(0);
      if (mine !== this.asked) return;
      fill(this.problem);
      fill(this.grid, first.images.map((image) => this.#tile(image)));
      this.total.textContent = first.total ? counted("image", first.total) : this.#isRemoved ? "No image is removed." : "There are no images.";
      fill(this.more, older("More images", first.total > PAGE ? PAGE : null, async (from) => {
        const { images, total } = await this.#page(from);
        if (mine === this.asked) this.grid.append(...images.map((image) => this.#tile(image)));
        return from + PAGE < total ? from + PAGE : null;
      }));
    } catch (error) {
      if (mine === this.asked) fill(this.problem, errorNotice(error));
    }
  }

  get #isRemoved() {
    return this.filter.value === REMOVED;
  }

  #page(offset) {
    return askJSON(`${this.path}/images`, { query: { offset, limit: PAGE, ...(this.#isRemoved ? { removed: true } : { label: this.filter.value }) } });
  }

  #tile(image) {
    const { file, label } = image;
    const reason = this.unreadable.get(file);
    const tick = h("input", { type: "checkbox", "aria-label": `${label}: ${file}`, onchange: ({ target }) => {
      if (target.checked) this.selected.set(file, image);
      else this.selected.delete(file);
      this.#tell();
    } });
    return h("li", h("label.set-tile", tick, reason ? h("span.thumbnail.unreadable.small", { title: reason }, "Unreadable") : thumbnail(this.path, file, ""), h("span.small.clip", { title: file }, label)));
  }

  #moved(event) {
    event.preventDefault();
    const label = this.target.value.trim();
    if (label) this.#edit(() => label);
    else this.target.focus();
  }

  async #edit(labelOf) {
    const changes = [...this.selected.values()].map((image) => ({ file: image.file, label: labelOf(image) }));
    this.bar.setAttribute("aria-busy", "true");
    try {
      if (await this.change(changes)) this.target.value = "";
    } finally {
      this.bar.removeAttribute("aria-busy");
    }
  }

  #clear() {
    this.selected.clear();
    for (const tick of this.grid.querySelectorAll("input:checked")) tick.checked = false;
    this.#tell();
  }

  #tell() {
    const { size } = this.selected;
    this.bar.hidden = size === 0;
    this.count.textContent = `${counted("image", size)} selected`;
    this.remove.hidden = this.#isRemoved;
    this.restore.hidden = !this.#isRemoved;
  }
}
