// What stands below a list that goes on.
import { h } from "../dom.js";
import { toastError } from "../toast.js";

/**
 * A button that brings the next page of a list, there as long as there is one.
 *
 * @param {string} label
 * @param {string|number|null} begin the first page's cursor of the next
 * @param {(cursor: string|number) => Promise<string|number|null>} bring adds a page to the list; the cursor after it
 */
export function older(label, begin, bring) {
  let cursor = begin;
  const button = h("button.button.quiet", { type: "button", hidden: cursor === null }, label);
  button.addEventListener("click", async () => {
    button.disabled = true; // pressed twice, it would bring the same page twice
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
