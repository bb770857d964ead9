// Number formatting.

/** 0.9137 -> "91.4 %"; values below 1 never read 100 %, positive values never 0 %. */
export function percent(share, digits = 1) {
  const unit = 10 ** -digits;
  const value = share * 100;
  if (value > 0 && value < unit / 2) return `< ${unit.toFixed(digits)} %`;
  if (share < 1 && value > 100 - unit / 2) return `> ${(100 - unit).toFixed(digits)} %`;
  return `${value.toFixed(digits)} %`;
}

/** -0.302 -> "−30.2", with a plus sign if positive. */
export function points(share, digits = 1) {
  const text = Math.abs(100 * share).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${share < 0 ? "\u2212" : "+"}${text}`;
}

/** 3.42 -> "3.4 ms", 1520 -> "1.52 s". */
export function milliseconds(value) {
  return value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`;
}
