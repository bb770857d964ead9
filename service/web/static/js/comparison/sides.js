// The two versions: what each is called and which colour it has.

/**
 * [{name: "mlp@2", kind: "mlp", model: {...}}, ...]: `kind` is the class that gives the colour.
 *
 * Two of one family would look alike; the second one is then grey.
 */
export function sidesOf({ first, second }) {
  const alike = first.architecture === second.architecture;
  return [
    { name: `${first.model}@${first.version}`, kind: first.architecture, model: first },
    { name: `${second.model}@${second.version}`, kind: alike ? "plain" : second.architecture, model: second },
  ];
}

/** The token of a side's colour, as charts want it. */
export function colorOf(side) {
  return side.kind === "plain" ? "--muted" : `--${side.kind}`;
}
