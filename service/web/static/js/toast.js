// Toast messages, announced by screen readers.
import { byId, h } from "./dom.js";

const SHOWN_MS = 6000;

/** Show a sentence; `kind` is "good", "bad" or nothing. Errors stay until they are closed. */
export function toast(text, { kind = "", detail = null } = {}) {
  const close = () => message.remove();
  const message = h("div.toast", { class: kind, role: kind === "bad" ? "alert" : null },
    h("p", text), h("button.button.quiet", { type: "button", onclick: close }, "Close"),
    detail && h("p.small.muted", detail));
  byId("toasts").append(message);
  if (kind !== "bad") setTimeout(close, SHOWN_MS);
}

/** Show the error of a request; aborted requests are ignored. */
export function toastError(error) {
  if (error.name === "AbortError") return;
  toast(error.message, { kind: "bad", detail: error.requestId ? `Request ${error.requestId}` : null });
}

/** The error as an element: h("div", errorNotice(error)). */
export function errorNotice(error) {
  return h("div.notice.bad", { role: "alert" }, h("p", error.message),
    error.requestId && h("p.small.muted", `Request ${error.requestId}`));
}
