// Form that starts a training: recipe, data and all settings.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { counted } from "../parts/size.js";
import { errorNotice } from "../toast.js";
import { MissingData, builtinChoice } from "./builtin-data.js";
import { FormField, readable } from "./fields.js";
import { fieldsOf } from "./schema.js";
import { SettingsForm } from "./settings.js";
import { startForm } from "./start.js";
import { versionChoices } from "./version-picker.js";

const POLICIES = { if_better: "If it passes the gate", never: "Never", always: "Always (needs scope admin)" };
// Parameters of the job that the configuration repeats.
const TEACHER = "distillation.teacher";
const MOST_TEACHERS = 4;
const ASKED_ELSEWHERE = new Set(["recipe", "seed", "init_from"]);

/**
 * Fill `place` with the form.
 *
 * @param {URLSearchParams} query recipe, data and family to preselect, or `like`, the id of a job to copy
 */
export async function trainView(place, query) {
  fill(place, h("p.loading", "Loading the recipes"));
  try {
    const [catalog, datasets, builtin, models, like] = await Promise.all([
      askJSON("/recipes"), askJSON("/datasets"), askJSON("/datasets/cifar10"), askJSON("/models"),
      query.has("like") ? askJSON(`/jobs/${encodeURIComponent(query.get("like"))}`) : null,
    ]);
    draw(place, catalog, datasets.datasets, builtin, models.models, beginning(query, like));
  } catch (error) {
    fill(place, errorNotice(error));
  }
}

function beginning(query, like) {
  if (like?.kind === "train") return like.parameters;
  return Object.fromEntries(["recipe", "data", "family"].filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
}

function draw(place, catalog, datasets, builtin, models, begin) {
  const { recipes, config_schema: schema, parameters_schema: parameters } = catalog;
  const asked = fieldsOf(parameters);
  const field = (name, options) => new FormField(asked.get(name), options);
  const top = new Map([
    ["recipe", field("recipe", { choices: recipes.map(({ name }) => ({ value: name, text: name })) })],
    ["data", field("data", { choices: dataChoices(datasets, builtin) })],
    ["family", field("family")],
    ["promote", field("promote", { choices: asked.get("promote").choices.map((value) => ({ value, text: POLICIES[value] ?? value })) })],
    ["init_from", field("init_from", { versions: { choices: versionChoices(models), none: "Random weights", most: 1 } })],
    ["seed", field("seed", { placeholder: "From the recipe" })],
  ]);
  top.get("recipe").control.value = recipes[0].name;
  const missing = new MissingData(builtin, () => top.get("data").value);
  top.get("data").control.addEventListener("change", () => missing.show());
  for (const [name, one] of top) if (begin[name] !== undefined) one.set(begin[name]);

  const about = h("p.small.prose");
  const settingsPlace = h("div");
  const changed = h("p.small.muted", { role: "status" });
  let settings = null;

  const tell = () => {
    const own = [...settings.fields].filter(([, one]) => one.isChanged);
    fill(changed, own.length
      ? [`${counted("setting", own.length)} changed: `, own.map(([path, one]) => `${path} ${readable(one.field.value)} → ${readable(one.value)}`).join(", ")]
      : "All settings have the recipe's defaults.");
  };
  const pickers = ({ path, pattern }) => (path === TEACHER ? { versions: { choices: versionChoices(models, { champions: true }), none: "No teacher", most: pattern?.includes("\\+") ? MOST_TEACHERS : 1 } } : {});
  const pickRecipe = (changes = {}) => {
    const recipe = recipes.find(({ name }) => name === top.get("recipe").value) ?? recipes[0];
    fill(about, recipe.description.split("\n\n")[0].replaceAll("\n", " "));
    top.get("family").control.placeholder = recipe.family;
    settings = new SettingsForm(schema, recipe.config, ASKED_ELSEWHERE, tell, pickers);
    settings.apply(flat(changes));
    fill(settingsPlace, settings.element);
    tell();
  };
  top.get("recipe").control.addEventListener("change", () => pickRecipe());
  pickRecipe(begin.overrides);
  missing.show();

  const fields = () => new Map([...top, ...[...settings.fields].map(([path, one]) => [`overrides.${path}`, one])]);
  const job = () => ({
    ...Object.fromEntries([...top].filter(([, one]) => one.value !== null && one.value !== "").map(([name, one]) => [name, one.value])),
    overrides: settings.changes,
  });
  fill(place, startForm("/train", job, fields, "Start the training",
    h("section.card", h("h2", "Training"), h("div.fields", [...top.values()].map((one) => one.element)), about, missing.element),
    h("section.card", h("h2", "Settings"), settingsPlace, changed)));
}

function dataChoices(datasets, builtin) {
  const own = datasets.map(({ data, classes, images, trainable }) => ({
    value: data, disabled: !trainable,
    text: `${data} · ${counted("class", classes, "classes")}, ${counted("image", images)}${trainable ? "" : " (too few to train)"}`,
  }));
  return [builtinChoice(builtin), ...own];
}

/** {a: {b: 1}, "c.d": 2} -> {"a.b": 1, "c.d": 2} */
function flat(tree, prefix = "") {
  return Object.assign({}, ...Object.entries(tree).map(([name, value]) => (
    value !== null && typeof value === "object" && !Array.isArray(value) ? flat(value, `${prefix}${name}.`) : { [`${prefix}${name}`]: value }
  )));
}

