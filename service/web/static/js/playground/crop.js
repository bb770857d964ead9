// Crop box over the image, for mouse, touch and keyboard.
import { byId } from "../dom.js";

const HELP = {
  whole: "Each model resizes the image to its own input size; its card shows how.",
  part: "Drag the box, or focus it and use the arrow keys to move it, plus and minus to resize it.",
};
const PAUSE_MS = 120;
const STEP = 0.02;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SCALES = { "+": 1, "=": 1, "-": -1, PageUp: 1, PageDown: -1 };

export class CropBox {
  #changed;
  #timer = null;
  #picture = null;
  #aspect = 1;
  #least = 1;
  #box = null;
  #drag = null;

  /** `changed()` is called when the box has not moved for a moment. */
  constructor(changed) {
    this.#changed = changed;
    const element = byId("crop");
    element.addEventListener("pointerdown", (event) => this.#grab(event));
    element.addEventListener("pointermove", (event) => this.#pull(event));
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (this.#drag = null));
    element.addEventListener("keydown", (event) => this.#key(event));
    for (const radio of document.getElementsByName("extent")) {
      radio.addEventListener("change", () => {
        this.#draw();
        this.#settle(0);
      });
    }
  }

  /**
   * Start with the whole image, which each version resizes as for every client; the first crop is the largest centered
   * one. `size` of the image is null if the browser cannot show it.
   */
  place(size, aspect, least) {
    clearTimeout(this.#timer);
    this.#picture = size;
    this.#aspect = aspect;
    this.#least = least;
    const usable = size !== null && Math.min(size.width, size.height) > least;
    byId("crop-tools").hidden = !usable;
    this.#box = usable ? this.#centered(Infinity) : null;
    document.querySelector("[name=extent][value=whole]").checked = true;
    this.#draw();
  }

  /** {left, top, width, height} in pixels of the image; null for the whole image. */
  get value() {
    const { width, height } = this.#picture ?? {};
    if (!this.#shown || (this.#box.width === width && this.#box.height === height)) return null;
    return { ...this.#box };
  }

  get #shown() {
    return this.#box !== null && document.querySelector("[name=extent]:checked").value === "part";
  }

  #centered(wanted) {
    const { width, height } = this.#sized(wanted);
    return this.#within({ left: (this.#picture.width - width) / 2, top: (this.#picture.height - height) / 2, width, height });
  }

  /** Width and height in the model's aspect ratio, as near to the wanted width as the image allows. */
  #sized(wanted) {
    const most = Math.min(this.#picture.width, this.#picture.height * this.#aspect);
    const width = Math.max(Math.min(this.#least, most), Math.min(most, wanted));
    return { width: Math.round(width), height: Math.min(this.#picture.height, Math.round(width / this.#aspect)) };
  }

  #within({ left, top, width, height }) {
    const clamp = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
    return { left: clamp(left, this.#picture.width - width), top: clamp(top, this.#picture.height - height), width, height };
  }

  #grab(event) {
    if (event.button !== 0) return;
    byId("crop").setPointerCapture(event.pointerId);
    const scale = this.#picture.width / byId("stage").clientWidth;
    this.#drag = { x: event.clientX, y: event.clientY, scale, box: this.#box, edge: event.target.dataset.edge ?? null };
  }

  #pull(event) {
    if (this.#drag === null) return;
    const { scale, box, edge } = this.#drag;
    const [right, down] = [(event.clientX - this.#drag.x) * scale, (event.clientY - this.#drag.y) * scale];
    if (edge === null) this.#move({ ...box, left: box.left + right, top: box.top + down });
    else this.#resize(box, edge, right, down);
  }

  /** Drag one corner; the opposite one stays. */
  #resize(box, edge, right, down) {
    const [west, north] = [edge.includes("w"), edge.includes("n")];
    const grown = Math.max(west ? -right : right, (north ? -down : down) * this.#aspect);
    const room = Math.min(west ? box.left + box.width : this.#picture.width - box.left,
      (north ? box.top + box.height : this.#picture.height - box.top) * this.#aspect);
    const { width, height } = this.#sized(Math.min(room, box.width + grown));
    this.#move({ left: west ? box.left + box.width - width : box.left, top: north ? box.top + box.height - height : box.top, width, height });
  }

  #key(event) {
    const step = Math.max(1, Math.round(Math.min(this.#picture.width, this.#picture.height) * STEP * (event.shiftKey ? 5 : 1)));
    const box = this.#box;
    if (event.key in MOVES) {
      const [right, down] = MOVES[event.key];
      this.#move({ ...box, left: box.left + right * step, top: box.top + down * step });
    } else if (event.key in SCALES) {
      const { width, height } = this.#sized(box.width + 2 * SCALES[event.key] * step);
      this.#move({ left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height });
    } else if (event.key === "Home") {
      this.#move(this.#centered(Infinity));
    } else {
      return;
    }
    event.preventDefault();
  }

  #move(box) {
    this.#box = this.#within(box);
    this.#draw();
    this.#settle(PAUSE_MS);
  }

  #settle(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, pause);
  }

  #draw() {
    const element = byId("crop");
    element.hidden = byId("shade").hidden = !this.#shown;
    byId("crop-help").textContent = HELP[this.#shown ? "part" : "whole"];
    if (!this.#shown) return;
    const { left, top, width, height } = this.#box;
    const share = (value, whole) => `${(100 * value) / whole}%`;
    const place = byId("stage").style;
    place.setProperty("--left", share(left, this.#picture.width));
    place.setProperty("--top", share(top, this.#picture.height));
    place.setProperty("--width", share(width, this.#picture.width));
    place.setProperty("--height", share(height, this.#picture.height));
    element.setAttribute("aria-valuemin", Math.min(this.#least, width));
    element.setAttribute("aria-valuemax", this.#sized(Infinity).width);
    element.setAttribute("aria-valuenow", width);
    element.setAttribute("aria-valuetext", `${width} by ${height} pixels, ${left} from the left and ${top} from the top`);
  }
}
