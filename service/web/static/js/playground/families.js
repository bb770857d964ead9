// The families that answer, each with its versions and what the chosen one takes and knows.
import { askJSON } from "../api.js";

const ORDER = ["mlp", "cnn"];

/**
 * The families of the service, the usual two first: [{name, champion, versions, version, size, classes, methods}].
 *
 * `version` is null for the champion; `size` is [height, width] of the input; `methods` are there once `known()` has come.
 */
export async function findFamilies(settings) {
  const { models } = await askJSON("/models");
  const usable = models.filter((model) => model.champion !== null);
  if (usable.length < 2) throw new Error("Two families with a champion are needed to compare them; publish another one with `duet train`.");
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  usable.sort((one, other) => place(one.model) - place(other.model));
  return Promise.all(usable.map(async ({ model, champion, versions }) => {
    const asked = settings.versions[model];
    const family = { name: model, champion, versions, version: versions.includes(asked) ? asked : null };
    known(family).catch(() => {}); // whoever needs it asks again, and says so
    await describe(family);
    return family;
  }));
}

/** Have a family answer by another version of it, or by its champion where `version` is null. */
export async function choose(family, version) {
  family.version = version;
  family.learning = null;
  await Promise.all([describe(family), known(family)]);
}

/** Learn what the chosen version can be explained by: asked once, and again where that has failed. */
export function known(family) {
  family.learning ??= learn(family);
  return family.learning;
}

/** Learn what the chosen version takes and knows. */
async function describe(family) {
  const { version } = family;
  const { manifest } = await askJSON(`/models/${encodeURIComponent(family.name)}/versions/${version ?? family.champion}`);
  if (family.version !== version) return; // another one was chosen meanwhile
  family.size = [manifest.input.height, manifest.input.width];
  family.classes = manifest.class_names;
}

/** That takes the service longer, and nobody has to wait for it. */
async function learn(family) {
  const { version } = family;
  family.methods = [];
  try {
    const { methods } = await askJSON("/saliency", { query: { model: family.name, version } });
    if (family.version === version) family.methods = methods.map((each) => each.method);
  } catch (error) {
    if (family.version === version) family.learning = null;
    throw error;
  }
}

/** `cnn`, or `cnn@2` where that version was chosen. */
export function reference(family) {
  return family.version === null ? family.name : `${family.name}@${family.version}`;
}
