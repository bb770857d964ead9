// Test images: images that no model was trained on, whose true class is shown with the predictions.
import { ask, askJSON } from "../api.js";
import { byId, fill, h } from "../dom.js";
import { toastError } from "../toast.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * Show the images that ship as a choice, and the button for a random one; show the one in the link, and call
 * `show(file, sample)`.
 *
 * `choosing()` is called before each request; it returns a function that tells whether this is still the newest one.
 */
export async function startSamples(wanted, choosing, show) {
  const { count, examples } = await askJSON("/samples");
  const button = byId("surprise");
  button.hidden = false;
  button.addEventListener("click", () => fetched(Math.floor(Math.random() * count)).catch(toastError));
  const buttons = examples.map((label, index) => h(`button.example#example-${index}`, {
    type: "button", "aria-label": `Test image ${index + 1}: ${label}`, title: label, tabindex: index ? -1 : 0,
    onclick: () => fetched(index).catch(toastError),
    onfocus: () => buttons.forEach((each, place) => (each.tabIndex = place === index ? 0 : -1)),
    onkeydown: (event) => buttons[index + (STEPS[event.key] ?? 0)]?.focus(),
  }, h("img", { src: `/samples/${index}`, alt: "", width: 32, height: 32 })));
  fill(byId("examples"), buttons);
  if (wanted !== null && wanted < count) await fetched(wanted);

  async function fetched(index) {
    const isNewest = choosing();
    const response = await ask(`/samples/${index}`, { headers: { accept: "image/png" } });
    const label = decodeURIComponent(response.headers.get("x-duet-label"));
    const file = new File([await response.blob()], `test-image-${index}.png`, { type: "image/png" });
    if (isNewest()) await show(file, { index, label });
  }
}
