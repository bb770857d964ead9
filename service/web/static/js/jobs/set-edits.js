// Edits of a data set: the request, and the list of versions with Undo.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { older } from "../parts/older.js";
import { counted } from "../parts/size.js";
import { ago } from "../parts/when.js";
import { withKey } from "../session.js";
import { errorNotice } from "../toast.js";

const PAGE = 10;
const CHANGES_AT_A_TIME = 1000;

/** Save changes of images as one edit; the response, or null if the sign-in was cancelled. */
export function edit(path, changes) {
  const json = { changes: changes.slice(0, CHANGES_AT_A_TIME) };
  return withKey(() => askJSON(`${path}/edits`, { method: "POST", json }));
}

/** The list of edits, newest first. */
export class Edits {
  /**
   * @param {string} path of the data set
   * @param {(changes: {file: string, label: string|null}[]) => Promise<boolean>} change saves an edit
   */
  constructor(path, change) {
    this.path = path;
    this.change = change;
    this.list = h("ul.set-edits");
    this.more = h("div.actions");
    this.element = h("section.card.stack-tight", { hidden: true }, h("h2", "Versions"),
      h("p.small.muted", "Each edit makes a version of the data set. Uploads add images and are not listed here."), this.list, this.more);
  }

  async reload() {
    try {
      const first = await this.#page(0);
      this.element.hidden = first.total === 0;
      fill(this.list, first.edits.map((one) => this.#row(one)));
      fill(this.more, older("Older versions", first.total > PAGE ? PAGE : null, async (from) => {
        const { edits, total } = await this.#page(from);
        this.list.append(...edits.map((one) => this.#row(one)));
        return from + PAGE < total ? from + PAGE : null;
      }));
    } catch (error) {
      fill(this.list, errorNotice(error));
    }
  }

  #page(offset) {
    return askJSON(`${this.path}/edits`, { query: { offset, limit: PAGE } });
  }

  #row({ at, actor, changes, digest }) {
    const undo = () => this.change(changes.map(({ file, before }) => ({ file, label: before })));
    return h("li.row.spread",
      h("div", h("p", described(changes)), h("p.small.muted", ago(at), ` · ${actor} · version `, h("span.mono", { title: digest }, digest.slice(0, 12)))),
      h("button.button.quiet", { type: "button", onclick: undo, "aria-label": `Undo: ${described(changes)}` }, "Undo"));
  }
}

/** "2 images moved from cat to dog, 1 image removed". */
function described(changes) {
  const kinds = new Map();
  for (const { before, label } of changes) {
    const kind = label === null ? "removed" : before === null ? `restored as ${label}` : `moved from ${before} to ${label}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, number]) => `${counted("image", number)} ${kind}`).join(", ");
}
