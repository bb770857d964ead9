// Files of a chosen or dropped folder, and their classes.

/** @typedef {{path: string, file: File}} FolderFile path below the chosen folder, with its name first: "pets/cat/1.png" */

const SYSTEM_FILES = new Set(["__MACOSX", "Thumbs.db", "desktop.ini"]);
const PARTS = new Set(["train", "training", "val", "valid", "validation", "holdout", "test", "testing"]);
const TRAIN = new Set(["train", "training"]);

/** Files of an <input webkitdirectory>. */
export function chosenFiles(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath, file }));
}

/**
 * Files of a drop: a zip, or folders with everything in them.
 *
 * @param {DataTransfer} transfer of the event, which is valid until the first await
 * @returns {Promise<{archive: File|null, files: FolderFile[]}>}
 */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const [first] = entries;
  if (entries.length === 1 && first.isFile) return { archive: await fileOf(first), files: [] };
  const files = [];
  for (const entry of entries) await collect(entry, entry.name, files);
  // Several folders have no common name.
  if (entries.length > 1) for (const one of files) one.path = `/${one.path}`;
  return { archive: null, files };
}

async function collect(entry, path, into) {
  if (entry.isFile) {
    into.push({ path, file: await fileOf(entry) });
    return;
  }
  const reader = entry.createReader();
  // Each call returns at most 100 entries.
  for (let found = await read(reader); found.length; found = await read(reader)) {
    for (const one of found) await collect(one, `${path}/${one.name}`, into);
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function read(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

/**
 * Classes of the files, by the rules of the service: class folders with any folders in them, parts with class folders,
 * either in one more folder; or the files of a single class.
 *
 * @param {FolderFile[]} files
 * @returns {{labelled: {label: string, file: File}[], skipped: {file: string, reason: string}[], parts: FolderFile[]}}
 *   `parts` has the files of a folder with parts, such as "train/cat/1.png"; the others are then empty
 */
export function classesOf(files) {
  const all = files.map(({ path, file }) => ({ steps: path.split("/"), path, file }))
    .filter(({ steps }) => !steps.some((step) => step.startsWith(".") || SYSTEM_FILES.has(step)));
  if (all.length && all.every(({ steps }) => steps.length === 2 && steps[0])) {
    return { labelled: all.map(({ steps, file }) => ({ label: steps[0], file })), skipped: [], parts: [] };
  }
  const depth = depthOf(all);
  const inside = all.map((one) => ({ ...one, steps: one.steps.slice(depth) }));
  const tops = new Set(inside.filter(({ steps }) => steps.length > 1).map(({ steps }) => steps[0]));
  const names = [...tops].map((name) => name.toLowerCase());
  if (names.length > 1 && names.every((name) => PARTS.has(name)) && names.some((name) => TRAIN.has(name)) && !inside.some(({ steps }) => steps.length === 2)) {
    return { labelled: [], skipped: [], parts: inside.map(({ steps, file }) => ({ path: steps.join("/"), file })) };
  }
  const skipped = inside.filter(({ steps }) => steps.length < 2).map(({ path }) => ({ file: path.replace(/^\//, ""), reason: "not in a class folder" }));
  return { labelled: inside.filter(({ steps }) => steps.length > 1).map(({ steps, file }) => ({ label: steps[0], file })), skipped, parts: [] };
}

/** Number of folders around the class folders: the chosen one, and a single one in it that contains the others. */
function depthOf(all) {
  const tops = new Set(all.filter(({ steps }) => steps.length > 2).map(({ steps }) => steps[1]));
  const direct = all.filter(({ steps }) => steps.length === 3).length;
  const deeper = all.filter(({ steps }) => steps.length > 3).length;
  return tops.size === 1 && deeper >= direct ? 2 : 1;
}
