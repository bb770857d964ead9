// One data set: counts, report, images and edits.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { heading } from "../parts/heading.js";
import { bytes, counted } from "../parts/size.js";
import { askForKey } from "../session.js";
import { errorNotice, toast, toastError } from "../toast.js";
import { trainingOn } from "./data-view.js";
import { Edits, edit } from "./set-edits.js";
import { ImageGrid } from "./set-images.js";
import { ReportView } from "./set-report.js";

/**
 * Fill `place` with the page of a data set.
 *
 * @param {string} name of the data set
 */
export async function setView(place, name) {
  heading("Look at the images before you train on them. Edits make a new version of the data set; no file is changed.", name);
  const path = `/datasets/${encodeURIComponent(name)}`;
  const head = h("section.card.stack-tight");
  const rest = h("div.stack");
  fill(place, h("div.stack", head, rest));
  try {
    drawHead(head, await askJSON(path));
    await askJSON(`${path}/images`, { query: { limit: 1 } });
  } catch (error) {
    if (error.status !== 401) return fill(head.hasChildNodes() ? rest : place, errorNotice(error));
    const signIn = async () => (await askForKey()) && setView(place, name);
    return fill(rest, h("div.notice.stack-tight", h("p", "The images and the report need a key with the scope jobs."), h("div.actions", h("button.button", { type: "button", onclick: signIn }, "Sign in to see them"))));
  }
  const change = async (changes) => {
    try {
      const made = await edit(path, changes);
      if (made === null) return false;
      drawHead(head, made.dataset);
      grid.classes = made.dataset.classes.map(({ label }) => label);
      toast(made.edit === null ? "Nothing changed." : "Saved as a new version of the data set.", { kind: made.edit === null ? "" : "good" });
      await Promise.all([grid.reload(), edits.reload(), report.reload()]);
      return true;
    } catch (error) {
      toastError(error);
      return false;
    }
  };
  const grid = new ImageGrid(path, change);
  const edits = new Edits(path, change);
  const report = new ReportView(path, (found) => grid.learn(found), change);
  fill(rest, report.element, grid.element, edits.element);
  const { classes } = await askJSON(path);
  grid.classes = classes.map(({ label }) => label);
  await Promise.all([edits.reload(), report.reload()]);
  await grid.reload();
}

function drawHead(place, { name, data, classes, images, bytes: size, digest, shortfalls }) {
  fill(place,
    h("div.row.spread",
      h("p", [counted("class", classes.length, "classes"), counted("image", images), bytes(size)].join(" · ")),
      shortfalls.length ? h("span.badge.warning", "Too few images") : h("a.button.primary", { href: trainingOn(data, name) }, "Train on it")),
    shortfalls.map((text) => h("p.notice.warning", `${text}.`)),
    h("p.small.muted", "Version ", h("span.mono", { title: digest }, digest.slice(0, 12)), ". A model that is trained on it names it in its manifest. ", h("a", { href: "?data" }, "All data sets")));
}
