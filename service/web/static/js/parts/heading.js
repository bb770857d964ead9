// Page heading, with a link back on subpages.
import { byId, fill, h } from "../dom.js";

/** Show a loading message in place of the summary. */
export function loading(text) {
  byId("page-summary").textContent = text;
  byId("page-summary").classList.add("loading");
}

/** Set title and summary; call it when the page is drawn, so that nothing visible moves. */
export function heading(summary, title = null) {
  byId("page-summary").textContent = summary;
  byId("page-summary").classList.remove("loading");
  if (title === null) return;
  const name = byId("page-title");
  fill(name, h("a", { href: location.pathname }, name.textContent.split(" / ")[0]), " / ", h("span.break", title));
  document.title = `${title} · Duet`;
}
