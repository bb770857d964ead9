// Choice of the families that the page asks; remembered in this browser.
import { byId, fill, h } from "../dom.js";

const KEY = "duet.families";
const DEFAULT = ["mlp", "cnn"];
const MOST = 8; // models per request of /compare

/**
 * The families to begin with: those of the link, else those chosen last, else mlp and cnn, else the first two that share
 * their classes.
 */
export function initialFamilies(families, linked) {
  for (const names of [linked, remembered(), DEFAULT]) {
    const found = families.filter(({ name }) => names.includes(name));
    if (found.length && (names !== DEFAULT || found.length === names.length)) return found.slice(0, MOST);
  }
  return families.filter((family) => sameClasses(family, families[0])).slice(0, 2);
}

/** Whether two families predict the same classes, so that their predictions can be compared. */
export function sameClasses(one, other) {
  return one.classes.length === other.classes.length && one.classes.every((name) => other.classes.includes(name));
}

/** Show the choice if there are more than two families; `changed(families)` gets the new one. */
export function startChooser(all, chosen, changed) {
  const box = byId("families");
  box.hidden = all.length <= 2;
  const names = new Set(chosen.map(({ name }) => name));
  const summary = h("summary");
  const boxes = all.map((family) => [family, h("input", { type: "checkbox", value: family.name, checked: names.has(family.name), onchange: () => choose(family) })]);
  fill(box, summary, groups(all).map((group) => h("fieldset.family-group",
    h("legend.small.muted.clip", { title: group[0].classes.join(", ") }, `${group[0].classes.length} classes: ${group[0].classes.join(", ")}`),
    boxes.filter(([family]) => group.includes(family)).map(([family, input]) => h("label.check.family-check", { class: family.kind }, input, h("span.family-name.break", family.name))))));
  limit();

  function choose(family) {
    if (names.has(family.name)) names.delete(family.name);
    else names.add(family.name);
    limit();
    remember([...names]);
    changed(all.filter(({ name }) => names.has(name)));
  }

  /** At least one family, and not more than one request takes. */
  function limit() {
    for (const [, input] of boxes) input.disabled = input.checked ? names.size === 1 : names.size >= MOST;
    summary.textContent = `Models: ${all.filter(({ name }) => names.has(name)).map(({ name }) => name).join(", ")} (${names.size} of ${all.length})`;
  }
}

/** Families by their classes, in order. */
export function groups(families) {
  const found = [];
  for (const family of families) {
    const group = found.find(([first]) => sameClasses(first, family));
    if (group) group.push(family);
    else found.push([family]);
  }
  return found;
}

function remembered() {
  try {
    const names = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(names) ? names : [];
  } catch {
    return []; // storage is disabled, or holds something else
  }
}

function remember(names) {
  try {
    localStorage.setItem(KEY, JSON.stringify(names));
  } catch {
    // storage is disabled: the choice applies to this page only
  }
}
