// The current image and its display.
import { byId } from "../dom.js";

export class Picture {
  /** `file` is a File; `sample` is {index, label} for a test image, else null. */
  constructor(file, sample) {
    this.file = file;
    this.sample = sample;
    this.url = URL.createObjectURL(file);
    this.size = null;
  }

  /** Show it in the frame, with the crop box if it can be cropped. */
  async show(cropBox, families) {
    const image = byId("picture");
    image.alt = `Image ${this.file.name}`;
    // The size is known before the pixels are decoded; decoding continues during the request.
    const known = new Promise((resolve) => {
      image.onload = () => resolve(true);
      image.onerror = () => resolve(false);
    });
    image.decoding = "async";
    image.src = this.url;
    // The service supports formats that this browser cannot show, such as TIFF.
    this.size = (await known) ? { width: image.naturalWidth, height: image.naturalHeight } : null;
    byId("drop").hidden = true;
    byId("stage").hidden = false;
    byId("picture").hidden = this.size === null;
    byId("stage").style.setProperty("--ratio", this.size ? this.size.width / this.size.height : 1);
    byId("stage").classList.toggle("small", this.size !== null && this.size.width <= 128);
    const [height, width] = families[0].size;
    cropBox.place(this.size, width / height, Math.max(width, height));
    byId("picture-facts").textContent = this.facts();
    const save = byId("save-picture");
    save.hidden = false;
    save.href = this.url;
    save.download = this.file.name;
  }

  /** File name, dimensions and file size. */
  facts() {
    const kilobytes = `${Math.max(1, Math.round(this.file.size / 1024)).toLocaleString("en")} kB`;
    const size = this.size ? `${this.size.width} × ${this.size.height} pixels` : "this browser cannot show it";
    return `${this.file.name}, ${size}, ${kilobytes}`;
  }

  /** Release its object URL. */
  release() {
    URL.revokeObjectURL(this.url);
  }
}
