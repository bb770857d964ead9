// Upload of labeled images: a zip in one request, or a folder in batches per class.
import { ServiceError, UnreachableError, address } from "../api.js";
import { classesOf } from "./folder-files.js";
import { packed } from "./zip.js";

const FILES_AT_A_TIME = 200;
const BYTES_AT_A_TIME = 32 * 1024 * 1024;

/** @typedef {{file: string, reason: string}} Skipped */
/** @typedef {{added: number, duplicates: number, skipped: Skipped[], moreSkipped: number, dataset: object|null}} Outcome */
/** @typedef {{label: string|null, files: File[], bytes: number}} Piece content of one request */

/** The request for a zip. */
export function piecesOfArchive(file) {
  return { pieces: [{ label: null, files: [file], bytes: file.size }], skipped: [] };
}

/**
 * The requests for a folder: batches per class; a folder with parts becomes one zip, because a batch has no part.
 *
 * @param {import("./folder-files.js").FolderFile[]} files
 * @returns {Promise<{pieces: Piece[], skipped: Skipped[]}>}
 */
export async function piecesOfFolder(files) {
  const { labelled, skipped, parts } = classesOf(files);
  if (parts.length) return piecesOfArchive(await packed(parts.map(({ path, file }) => ({ path: `folder/${path}`, file }))));
  const pieces = [];
  const open = new Map();
  for (const { label, file } of labelled) {
    let piece = open.get(label);
    if (!piece || piece.files.length >= FILES_AT_A_TIME || piece.bytes + file.size > BYTES_AT_A_TIME) {
      piece = { label, files: [], bytes: 0 };
      open.set(label, piece);
      pieces.push(piece);
    }
    piece.files.push(file);
    piece.bytes += file.size;
  }
  return { pieces, skipped };
}

/**
 * Send the requests one after another.
 *
 * @param {string} name of the data set
 * @param {{pieces: Piece[], skipped: Skipped[]}} planned
 * @param {(share: number) => void} onProgress receives the share of bytes sent
 * @param {AbortSignal} signal
 * @returns {Promise<Outcome>}
 */
export async function upload(name, { pieces, skipped }, onProgress, signal) {
  const outcome = { added: 0, duplicates: 0, skipped: [...skipped], moreSkipped: 0, dataset: null };
  const all = pieces.reduce((sum, piece) => sum + piece.bytes, 0) || 1;
  let before = 0;
  let refused = null;
  for (const piece of pieces) {
    try {
      // The multipart body is slightly larger than the files.
      gather(outcome, await send(name, piece, (sent) => onProgress((before + Math.min(sent, piece.bytes)) / all), signal));
    } catch (error) {
      // A class without usable images does not stop the other classes.
      if (!error.fields?.skipped_files) throw error;
      refused = error;
      gather(outcome, { added: 0, duplicates: 0, skipped: error.fields.skipped_files.length, skipped_files: error.fields.skipped_files, dataset: outcome.dataset });
    }
    before += piece.bytes;
    onProgress(before / all);
  }
  if (outcome.dataset === null && refused !== null) throw refused;
  return outcome;
}

function gather(outcome, { added, duplicates, skipped, skipped_files: files, dataset }) {
  outcome.added += added;
  outcome.duplicates += duplicates;
  outcome.skipped.push(...files);
  outcome.moreSkipped += skipped - files.length;
  outcome.dataset = dataset;
}

/** One request, with XMLHttpRequest because fetch() does not report upload progress. */
function send(name, { label, files }, onSent, signal) {
  const request = new XMLHttpRequest();
  request.open("POST", address(`/datasets/${encodeURIComponent(name)}`, { label }));
  request.setRequestHeader("accept", "application/json");
  request.responseType = "text";
  return new Promise((resolve, reject) => {
    const stop = () => request.abort();
    signal.addEventListener("abort", stop);
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onabort = () => reject(new DOMException("The upload was stopped.", "AbortError"));
    request.onerror = () => reject(new UnreachableError());
    request.onload = () => {
      const fields = parsed(request.responseText);
      if (request.status === 200) resolve(fields);
      else reject(new ServiceError(request.status, fields));
    };
    request.onloadend = () => signal.removeEventListener("abort", stop);
    if (label === null) {
      request.setRequestHeader("content-type", "application/zip");
      request.send(files[0]);
      return;
    }
    const form = new FormData();
    for (const file of files) form.append("file", file, file.name);
    request.send(form);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
}
