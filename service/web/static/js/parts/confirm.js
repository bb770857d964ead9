// Dialog that asks before an action.
import { h } from "../dom.js";

let made = 0;

/**
 * Ask a question; resolves to true if the action was confirmed, and to false for "keep" or Escape.
 *
 * @param {{title: string, text: string, label: string, keep: string}} question label and keep are the two buttons
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, label, keep }) {
  const id = `confirm-${++made}`;
  const dialog = h("dialog.dialog", { "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-text` },
    h("form", { method: "dialog" },
      h("h2", { id: `${id}-title` }, title),
      h("p", { id: `${id}-text` }, text),
      h("div.actions",
        h("button.button", { value: "keep", autofocus: true }, keep),
        h("button.button.danger", { value: "confirmed" }, label))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "confirmed");
  }));
}
