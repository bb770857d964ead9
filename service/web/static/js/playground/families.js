// Families of the playground, each with its versions and the input size, classes and methods of the chosen one.
import { askJSON } from "../api.js";
import { toastError } from "../toast.js";

const ORDER = ["mlp", "cnn"];

/**
 * The families of the service, mlp and cnn first: [{name, champion, versions, version, kind, size, classes, methods}].
 *
 * `version` is null for the champion; `kind` is the class that gives the color; `size` is [height, width] of the input;
 * `methods` are set when `known()` resolves, which makes the service load the version.
 */
export async function findFamilies(settings) {
  const { models } = await askJSON("/models");
  const usable = models.filter((model) => model.champion !== null);
  if (usable.length === 0) throw new Error("No family has a champion: publish a version with `duet train`.");
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  usable.sort((one, other) => place(one.model) - place(other.model));
  const described = await Promise.allSettled(usable.map(async ({ model, champion, versions }) => {
    const asked = settings.versions[model];
    const family = { name: model, champion, versions, version: versions.includes(asked) ? asked : null, kind: ORDER.includes(model) ? model : "plain", methods: [] };
    await describe(family);
    return family;
  }));
  for (const { reason } of described) if (reason) toastError(reason); // the others can still be asked
  const families = described.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  if (families.length === 0) throw described[0].reason;
  return families;
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
