// Families of the playground, each with its versions and the input size, classes and methods of the chosen one.
import { askJSON } from "../api.js";

const ORDER = ["mlp", "cnn"];

/**
 * The families of the service, mlp and cnn first: [{name, champion, versions, version, size, classes, methods}].
 *
 * `version` is null for the champion; `size` is [height, width] of the input; `methods` are set when `known()` resolves.
 */
export async function findFamilies(settings) {
  const { models } = await askJSON("/models");
  const usable = models.filter((model) => model.champion !== null);
  if (usable.length < 2) throw new Error("The playground needs two families with a champion: publish another one with `duet train`.");
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  usable.sort((one, other) => place(one.model) - place(other.model));
  return Promise.all(usable.map(async ({ model, champion, versions }) => {
    const asked = settings.versions[model];
    const family = { name: model, champion, versions, version: versions.includes(asked) ? asked : null };
    known(family).catch(() => {}); // callers that need it retry and report errors
    await describe(family);
    return family;
  }));
}

/** Choose the version of a family; null for its champion. */
export async function choose(family, version) {
  family.version = version;
  family.learning = null;
  await Promise.all([describe(family), known(family)]);
}

/** Fetch the explanation methods of the chosen version: once, and again after a failure. */
export function known(family) {
  family.learning ??= learn(family);
  return family.learning;
}

/** Fetch the input size and classes of the chosen version. */
async function describe(family) {
  const { version } = family;
  const { manifest } = await askJSON(`/models/${encodeURIComponent(family.name)}/versions/${version ?? family.champion}`);
  if (family.version !== version) return; // another one was chosen meanwhile
  family.size = [manifest.input.height, manifest.input.width];
  family.classes = manifest.class_names;
}

/** Fetch the explanation methods; slower than `describe`, so it runs in the background. */
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
