// Button that loads the next page of a list.
import { h } from "../dom.js";
import { toastError } from "../toast.js";

/**
 * A button that loads the next page of a list, hidden after the last one.
 *
 * @param {string} label
 * @param {string|number|null} begin cursor of the second page
 * @param {(cursor: string|number) => Promise<string|number|null>} bring adds a page to the list and returns the next cursor
 */
export function older(label, begin, bring) {
  let cursor = begin;
  const button = h("button.button.quiet", { type: "button", hidden: cursor === null }, label);
  button.addEventListener("click", async () => {
    button.disabled = true; // a second click would load the same page twice
    try {
      cursor = await bring(cursor);
      button.hidden = cursor === null;
    } catch (error) {
      toastError(error);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}
