// Random test image: an image that no model was trained on, whose true class is shown with the predictions.
import { ask, askJSON } from "../api.js";
import { byId } from "../dom.js";
import { toastError } from "../toast.js";

/**
 * Show the button if there are test images, show the one in the link, and call `show(file, sample)`.
 *
 * `choosing()` is called before each request; it returns a function that tells whether this is still the newest one.
 */
export async function startSamples(wanted, choosing, show) {
  const { count } = await askJSON("/samples");
  const button = byId("surprise");
  button.hidden = count === 0;
  button.addEventListener("click", () => fetched(Math.floor(Math.random() * count)).catch(toastError));
  if (wanted !== null && wanted < count) await fetched(wanted);

  async function fetched(index) {
    const isNewest = choosing();
    const response = await ask(`/samples/${index}`, { headers: { accept: "image/png" } });
    const label = decodeURIComponent(response.headers.get("x-duet-label"));
    const file = new File([await response.blob()], `test-image-${index}.png`, { type: "image/png" });
    if (isNewest()) await show(file, { index, label });
  }
}
