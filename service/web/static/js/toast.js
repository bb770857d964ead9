// Messages in the corner, read out by screen readers.
import { byId, h } from "./dom.js";

const SHOWN_MS = 6000;

/** Show a sentence; `kind` is "good", "bad" or nothing. What went wrong stays until it is closed. */
export function toast(text, { kind = "", detail = null } = {}) {
  const close = () => message.remove();
  const message = h("div.toast", { class: kind, role: kind === "bad" ? "alert" : null },
    h("p", text), h("button.button.quiet", { type: "button", onclick: close }, "Close"),
    detail && h("p.small.muted", detail));
  byId("toasts").append(message);
  if (kind !== "bad") setTimeout(close, SHOWN_MS);
}

/** Show an error that a request ended with; one that was given up on purpose is none. */
export function toastError(error) {
  if (error.name === "AbortError") return;
  toast(error.message, { kind: "bad", detail: error.requestId ? `Request ${error.requestId}` : null });
}

/** The same as a part of the page: h("div", errorNotice(error)). */
export function errorNotice(error) {
  return h("div.notice.bad", { role: "alert" }, h("p", error.message),
    error.requestId && h("p.small.muted", `Request ${error.requestId}`));
}
