// Requests of the playground: the same parameters for the page, the curl command and the Python code.
import { ask as send } from "../api.js";
import { reference } from "./families.js";

/** Classes to ask for; a model may have 1,000. */
const TOP = 100;

/** Parameters of the request for the page's state. */
export function asked(state) {
  return { file: state.picture.file, models: state.families.map(reference), crop: cropText(state.crop) };
}

/** "left,top,width,height", or null for the whole image. */
export function cropText(crop) {
  return crop === null ? null : [crop.left, crop.top, crop.width, crop.height].join(",");
}

/** Response of POST /compare, or of POST /predict for one model; `milliseconds` is the round-trip time. */
export async function ask({ file, models, crop }, signal) {
  const began = performance.now();
  const [path, named] = route(models);
  const response = await send(path, { method: "POST", body: form(file), signal, query: { ...named, top_k: TOP, crop } });
  return { ...(await response.json()), milliseconds: performance.now() - began };
}

/** Path and parameters of the request to models such as ["mlp", "cnn@3"]: /compare takes two or more. */
export function route(models) {
  if (models.length > 1) return ["/compare", { models: models.join(",") }];
  const [model, version] = models[0].split("@");
  return ["/predict", { model, version: version ?? null }];
}

/** The image as a model receives it: {blob, notes}. */
export async function askView(file, family, crop, signal) {
  const query = { model: family.name, version: family.version, crop };
  const response = await send("/view", { method: "POST", body: form(file), signal, query, headers: { accept: "image/png" } });
  return { blob: await response.blob(), notes: JSON.parse(response.headers.get("x-duet-notes")) };
}

/** An attribution map: {blob, map, target}, with the service's description of map and target. */
export async function askMap(file, family, crop, method, target, signal) {
  const query = { model: family.name, version: family.version, crop, method, target, layout: "map" };
  const response = await send("/saliency", { method: "POST", body: form(file), signal, query, headers: { accept: "image/png" } });
  const [map] = JSON.parse(response.headers.get("x-duet-maps"));
  return { blob: await response.blob(), map, target: JSON.parse(response.headers.get("x-duet-target-facts")) };
}

function form(file) {
  const data = new FormData();
  data.append("file", file, file.name);
  return data;
}
