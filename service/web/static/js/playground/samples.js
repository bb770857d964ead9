// "Surprise me": a test image that no model was trained on; what it shows is told with the answers.
import { ask, askJSON } from "../api.js";
import { byId } from "../dom.js";
import { toastError } from "../toast.js";

/**
 * Offer the button where test images are at hand, show the one that the link names, and call `show(file, sample)`.
 *
 * `choosing()` is called before one is asked for; what it returns says whether no other picture was chosen since.
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
