// Keys of the labelling page.

const ACTIONS = new Map([["n", "none"], ["s", "skip"], ["u", "undo"]]);

/** Key of the class at this position: 1 to 9, then 0; null for further classes. */
export function keyOf(position) {
  return position < 10 ? String((position + 1) % 10) : null;
}

/**
 * What a key means: {action: "label", label}, {action: "none" | "skip" | "undo"}, or null.
 *
 * @param {string} key of the keyboard event
 * @param {string[]} classes
 */
export function meaningOf(key, classes) {
  const action = ACTIONS.get(key.toLowerCase());
  if (action) return { action };
  const position = classes.findIndex((_, index) => keyOf(index) === key);
  return position < 0 ? null : { action: "label", label: classes[position] };
}
