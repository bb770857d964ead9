// Formatting of times and durations; relative times have the exact time as title.
import { h } from "../dom.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];

/** <time> element with text such as "3 minutes ago", for an ISO 8601 time. */
export function ago(time) {
  return h("time", { datetime: time, title: exact(time) }, agoText(time));
}

/** "3 minutes ago", or the date if it is more than a month ago. */
export function agoText(time, now = Date.now()) {
  const seconds = (now - Date.parse(time)) / 1000;
  if (seconds > 30 * 86_400) return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" }).format(new Date(time));
  const found = UNITS.find(([, length]) => seconds >= length);
  return found ? RELATIVE.format(-Math.floor(seconds / found[1]), found[0]) : "just now";
}

/** "2 Jan 2026, 03:04:05" in the browser's time zone. */
export function exact(time) {
  return EXACT.format(new Date(time));
}

/** "03:04:05" in the browser's time zone. */
export function clock(time) {
  return CLOCK.format(new Date(time));
}

/** 93 -> "1 min 33 s", 5400 -> "1 h 30 min". */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
