// The page of another part that compares two versions.

/** Its address with these two versions chosen. */
export function comparisonOf(first, second) {
  return `/ui/comparison?${new URLSearchParams({ first, second })}`;
}
