// The families that answer, each with its versions and what the chosen one takes and knows.
import { askJSON } from "../api.js";

const ORDER = ["mlp", "cnn"];

/**
 * The families of the service, the usual two first: [{name, champion, versions, version, size, classes, methods}].
 *
 * `version` is null for the champion; `size` is [height, width] of the input.
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
    await describe(family);
    return family;
  }));
}

/** Learn what the chosen version of a family takes, knows, and can be explained by. */
export async function describe(family) {
  const number = family.version ?? family.champion;
  const [{ manifest }, { methods }] = await Promise.all([
    askJSON(`/models/${encodeURIComponent(family.name)}/versions/${number}`),
    askJSON("/saliency", { query: { model: family.name, version: family.version } }),
  ]);
  family.size = [manifest.input.height, manifest.input.width];
  family.classes = manifest.class_names;
  family.methods = methods.map((each) => each.method);
}

/** `cnn`, or `cnn@2` where that version was chosen. */
export function reference(family) {
  return family.version === null ? family.name : `${family.name}@${family.version}`;
}
