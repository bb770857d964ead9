// Formatting of sizes and counts.

/** 6_400_000 -> "6.4 MB". */
export function bytes(count) {
  const unit = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]].find(([, size]) => count >= size);
  return unit ? `${(count / unit[1]).toFixed(count / unit[1] < 10 ? 1 : 0)} ${unit[0]}` : `${count} bytes`;
}

/** 2162650 -> "2,162,650". */
export function count(number) {
  return number.toLocaleString("en");
}

/** ("image", 1) -> "1 image", ("class", 2, "classes") -> "2 classes". */
export function counted(one, number, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
