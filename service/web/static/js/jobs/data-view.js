// Data sets: list and upload form.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { deleteDialog } from "../parts/reason-dialog.js";
import { bytes, count, counted } from "../parts/size.js";
import { askForKey, currentScopes, withKey } from "../session.js";
import { errorNotice, toast, toastError } from "../toast.js";
import { builtinCard } from "./builtin-data.js";
import { chosenFiles, droppedFiles } from "./folder-files.js";
import { piecesOfArchive, piecesOfFolder, upload } from "./upload.js";

const NAME = "[a-z0-9][a-z0-9_\\-]{0,63}";

/** Fill `place` with the data sets and the form that adds to them. */
export async function dataView(place) {
  const sets = h("div", h("p.loading", "Loading the data sets"));
  const refresh = async () => {
    try {
      const [{ datasets }, builtin] = await Promise.all([askJSON("/datasets"), askJSON("/datasets/cifar10")]);
      fill(sets, h("ul.data-list", datasets.map((one) => dataset(one, refresh)), builtinCard(builtin)));
    } catch (error) {
      fill(sets, errorNotice(error));
    }
  };
  fill(place, h("div.data-columns", uploadForm(refresh), h("section.stack", h("h2", "Data sets"), sets)));
  await refresh();
}

function dataset({ name, data, classes, images, bytes: size, trainable }, refresh) {
  const remove = async () => {
    const deleted = await deleteDialog(name, `${counted("image", images)} of ${counted("class", classes, "classes")} are deleted permanently. Versions trained on them remain.`, `/datasets/${encodeURIComponent(name)}`);
    if (!deleted) return;
    toast(`${name} is deleted.`, { kind: "good" });
    refresh();
  };
  const details = h("div");
  const look = async (event) => {
    if (!event.target.open || details.hasChildNodes()) return;
    try {
      fill(details, contents(await askJSON(`/datasets/${encodeURIComponent(name)}`)));
    } catch (error) {
      fill(details, errorNotice(error));
    }
  };
  return h("li.card.stack-tight",
    h("div.row.spread", h("h3.break", h("a", { href: pageOf(name) }, name)), h("div.actions",
      h("button.button.quiet", { type: "button", onclick: remove, "aria-label": `Delete ${name}…` }, "Delete…"), trainable
        ? h("a.button", { href: trainingOn(data, name) }, "Train on it")
        : h("span.badge.warning", "Too few images"))),
    h("p.small.muted", [counted("class", classes, "classes"), counted("image", images), bytes(size)].join(" · ")),
    h("details", { ontoggle: look }, h("summary", "Classes"), details));
}

/** Classes of a data set, its shortfalls and its skipped files. */
function contents({ classes, shortfalls, skipped }) {
  const most = Math.max(1, ...classes.map(({ images }) => images));
  return h("div.stack-tight",
    shortfalls.map((text) => h("p.notice.warning", `${text}.`)),
    h("ul.bars.class-bars", classes.map(({ label, images }) => h("li", h("span.clip", { title: label }, label), h("span.bar", { vars: { "--share": images / most } }), h("span.number.small", count(images))))),
    skippedList(skipped, 0));
}

function uploadForm(onAdded) {
  const name = h("input#data-name", { type: "text", required: true, pattern: NAME, maxlength: 64, autocomplete: "off", spellcheck: "false", "aria-describedby": "data-name-hint data-name-error" });
  const nameError = h("p.field-error#data-name-error", { hidden: true });
  const archive = picker("data-archive", "A zip", "One folder of images per class, named after the class.", { accept: ".zip,application/zip" });
  const folder = picker("data-folder", "Or a folder", "Class folders, train, val and test with class folders, or the folder of one class.", { webkitdirectory: true, multiple: true });
  const chosen = h("p.small.break", { role: "status" });
  const zone = h("div.drop-zone", h("p", h("strong", "Drop a folder or a zip here"), ", or choose one below."), chosen);
  const bar = h("div.progress", { role: "progressbar", "aria-label": "Upload", "aria-valuemin": 0, "aria-valuemax": 100 });
  const said = h("p.small", { role: "status" });
  const stop = h("button.button", { type: "button" }, "Stop");
  const running = h("div.stack-tight", { hidden: true }, bar, said, stop);
  const outcome = h("div");
  const send = h("button.button.primary", { type: "submit" }, "Upload");

  // Only one at a time: a new choice replaces the older one.
  let given = { archive: null, files: [] };
  const take = (next) => {
    given = next;
    const first = given.archive?.name ?? given.files[0]?.path.split("/")[0] ?? "";
    chosen.textContent = given.archive ? given.archive.name : given.files.length ? `${first || "Folders"}: ${counted("file", given.files.length)}` : "";
    if (first && !name.value) name.value = nameFrom(first);
  };
  archive.input.addEventListener("change", () => {
    folder.input.value = "";
    take({ archive: archive.input.files[0] ?? null, files: [] });
  });
  folder.input.addEventListener("change", () => {
    archive.input.value = "";
    take({ archive: null, files: chosenFiles(folder.input) });
  });
  acceptDrops(zone, async (transfer) => {
    chosen.textContent = "Reading the folder";
    const next = await droppedFiles(transfer);
    archive.input.value = folder.input.value = "";
    take(next);
  });

  const complain = (text) => {
    nameError.textContent = text ?? "";
    nameError.hidden = text === null;
    name.setAttribute("aria-invalid", String(text !== null));
    if (text !== null) name.focus();
  };
  name.addEventListener("input", () => complain(null));

  const progress = (share) => {
    const whole = Math.round(100 * share);
    bar.style.setProperty("--share", share);
    bar.setAttribute("aria-valuenow", whole);
    said.textContent = share < 1 ? `${whole} % sent` : "Sent. The service is checking every image.";
  };

  async function submit(event) {
    event.preventDefault();
    fill(outcome);
    if (!name.checkValidity()) return complain("Use up to 64 lower-case letters, digits, - and _, starting with a letter or digit.");
    let planned;
    try {
      planned = given.archive ? piecesOfArchive(given.archive) : await piecesOfFolder(given.files);
    } catch (error) {
      return fill(outcome, errorNotice(error));
    }
    if (!planned.pieces.length) return fill(outcome, h("div.notice.bad", { role: "alert" }, h("p", "Choose a zip, or a folder with class folders.")));
    // Ask for the key first, because an upload without a key is rejected at its end.
    if (!currentScopes().includes("jobs") && !(await askForKey())) return;
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    send.disabled = true;
    running.hidden = false;
    progress(0);
    try {
      const sent = await withKey(() => upload(name.value, planned, progress, abort.signal));
      if (sent !== null) fill(outcome, added(sent));
    } catch (error) {
      const errors = error.fields?.errors ?? [];
      if (errors.some(({ parameter }) => parameter === "name")) complain(errors.map(({ message }) => message).join("; "));
      else fill(outcome, errorNotice(error), skippedList(error.fields?.skipped_files ?? [], 0));
    } finally {
      send.disabled = false;
      running.hidden = true;
      onAdded();
    }
  }

  return h("section.card.stack", h("h2", "Add labeled images"),
    h("form.stack", { novalidate: true, onsubmit: submit },
      h("div.field", h("label", { for: "data-name" }, "Name of the data set"), name, h("p.hint#data-name-hint", "A new name, or an existing data set to add to."), nameError),
      zone, archive.element, folder.element, h("div.actions", send), running, outcome));
}

function picker(id, label, help, attributes) {
  const input = h("input", { id, type: "file", "aria-describedby": `${id}-hint`, ...attributes });
  return { input, element: h("div.field", h("label", { for: id }, label), input, h("p.hint", { id: `${id}-hint` }, help)) };
}

function added({ added: images, duplicates, skipped, moreSkipped, dataset: { name, data, shortfalls } }) {
  const left = skipped.length + moreSkipped;
  const parts = [`${counted("image", images)} added to ${name}`, duplicates > 0 && `${count(duplicates)} duplicates`, left > 0 && `${counted("file", left)} skipped`];
  return h("div.stack-tight", h("div.notice.good", { role: "status" }, h("p", `${parts.filter(Boolean).join(", ")}.`)),
    shortfalls.map((text) => h("p.notice.warning", `Not trainable yet: ${text}.`)),
    skippedList(skipped, moreSkipped),
    h("div.actions", h("a.button.primary", { href: pageOf(name) }, "Look at the images"),
      shortfalls.length === 0 && h("a.button", { href: trainingOn(data, name) }, "Train on it")));
}

/** Call `take` with the data of a drop on the element. */
function acceptDrops(zone, take) {
  // Files that miss the zone must not replace the page.
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  const mark = (over) => zone.classList.toggle("over", over);
  zone.addEventListener("dragover", () => mark(true));
  zone.addEventListener("dragleave", () => mark(false));
  zone.addEventListener("drop", (event) => {
    mark(false);
    take(event.dataTransfer).catch(toastError);
  });
}

/** Address of the page of a data set. */
function pageOf(name) {
  return `?data=${encodeURIComponent(name)}`;
}

/** Address of the form that trains on a data set. */
export function trainingOn(data, family) {
  return `?new=train&data=${encodeURIComponent(data)}&family=${encodeURIComponent(family)}`;
}

/** Skipped files with reasons. */
export function skippedList(skipped, more, title = "Skipped") {
  if (!skipped.length) return null;
  return h("details", { open: skipped.length <= 10 }, h("summary", `${title}: ${counted("file", skipped.length + more)}`),
    h("ul.skipped", skipped.map(({ file, reason }) => h("li", h("span.mono.break", file), h("span.muted", ` ${reason}`)))),
    more > 0 && h("p.small.muted", `and ${counted("other file", more)}`));
}

/** "My Pets.zip" -> "my-pets". */
function nameFrom(text) {
  return text.replace(/\.zip$/i, "").toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64);
}
