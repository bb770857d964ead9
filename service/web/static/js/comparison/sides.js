// Names and colors of the two versions.

/**
 * [{name: "mlp@2", kind: "mlp", model: {...}}, ...]: `kind` is the class that gives the color.
 *
 * If both have the same architecture, the second is gray.
 */
export function sidesOf({ first, second }) {
  const alike = first.architecture === second.architecture;
  return [
    { name: `${first.model}@${first.version}`, kind: first.architecture, model: first },
    { name: `${second.model}@${second.version}`, kind: alike ? "plain" : second.architecture, model: second },
  ];
}

/** CSS custom property of a side's color, for charts. */
export function colorOf(side) {
  return side.kind === "plain" ? "--muted" : `--${side.kind}`;
}
