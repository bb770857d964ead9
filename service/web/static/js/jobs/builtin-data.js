// CIFAR-10 in forms: whether it is there, and its download.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes, count } from "../parts/size.js";
import { withKey } from "../session.js";
import { errorNotice } from "../toast.js";

/** @typedef {{data: string, available: boolean, images: number, classes: number, download_bytes: number}} Builtin */

/** Option of a menu of data sets. */
export function builtinChoice({ data, available }) {
  return { value: data, text: available ? data : `${data} · not downloaded` };
}

/** Notice that the selected data set must be downloaded first, with a button that starts the download. */
export class MissingData {
  /**
   * @param {Builtin} builtin
   * @param {() => string} selected the data set of the form
   */
  constructor(builtin, selected) {
    this.builtin = builtin;
    this.selected = selected;
    this.element = h("div.notice.warning.stack-tight", { hidden: true },
      h("p", `CIFAR-10 is not on this machine: download it before you start the job. If you have it, set DUET_DATA_DIR to its folder and restart the service.`),
      downloadButton(builtin));
  }

  show() {
    this.element.hidden = this.builtin.available || this.selected() !== this.builtin.data;
  }
}

/** Card of the data set in the list of data sets. */
export function builtinCard(builtin) {
  const { available, classes, images } = builtin;
  return h("li.card.stack-tight",
    h("div.row.spread", h("h3", "CIFAR-10"), available
      ? h("a.button", { href: "?new=train" }, "Train on it")
      : h("span.badge.warning", "Not downloaded")),
    h("p.small.muted", `${classes} classes · ${count(images)} images · built in`),
    !available && downloadButton(builtin));
}

/** A button that starts the download, or finds the one that runs, and opens its page. */
function downloadButton({ download_bytes: size }) {
  const problem = h("div");
  const button = h("button.button", { type: "button" }, `Download CIFAR-10 (${bytes(size)})`);
  button.addEventListener("click", async () => {
    fill(problem);
    button.disabled = true;
    try {
      const job = await withKey(() => askJSON("/datasets/cifar10/download", { method: "POST" }));
      if (job !== null) location.assign(`?job=${encodeURIComponent(job.id)}`);
    } catch (error) {
      fill(problem, errorNotice(error));
    } finally {
      button.disabled = false;
    }
  });
  return h("div.stack-tight", h("div.actions", button), problem);
}
