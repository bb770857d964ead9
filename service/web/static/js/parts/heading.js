// The title of a page, and below a page the way back to it.
import { byId, fill, h } from "../dom.js";

/** Say, where the summary will be, that something is loaded. */
export function loading(text) {
  byId("page-summary").textContent = text;
  byId("page-summary").classList.add("loading");
}

/** Name what the page shows; called together with drawing it, so that nothing that is seen already moves. */
export function heading(summary, title = null) {
  byId("page-summary").textContent = summary;
  byId("page-summary").classList.remove("loading");
  if (title === null) return;
  const name = byId("page-title");
  fill(name, h("a", { href: location.pathname }, name.textContent.split(" / ")[0]), " / ", h("span.break", title));
  document.title = `${title} · Duet`;
}
