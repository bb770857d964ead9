"""From the drop of a picture to both answers on the screen, beyond the time that the models themselves took."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

# After the answers are in the page, the second frame from then is the first that can show them.
_DROP = """async ([content, name, type]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const before = performance.getEntriesByName("answered").length;
  const frame = () => new Promise(requestAnimationFrame);
  const began = performance.now();
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  while (performance.getEntriesByName("answered").length === before) await frame();
  await frame();
  return performance.now() - began;
}"""


@dataclass(frozen=True)
class Drop:
    """One picture; the models' time is that of POST /compare, `timing_ms.inference`."""

    picture: str
    shown_ms: float
    models_ms: float

    @property
    def beyond_ms(self) -> float:
        """What everything but the models took."""
        return self.shown_ms - self.models_ms


def pictures() -> dict[str, tuple[bytes, str]]:
    """Files of several sizes, each with its media type, by a name for the table."""
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return {
        "32x32 PNG": (_file(Image.fromarray(small), "PNG"), "image/png"),
        "640x480 JPEG": (_file(_scene(640, 480), "JPEG"), "image/jpeg"),
        "4000x3000 JPEG": (_file(_scene(4000, 3000), "JPEG"), "image/jpeg"),
    }


def drops(browser: Browser, url: str, files: Mapping[str, tuple[bytes, str]], rounds: int) -> Iterator[Drop]:
    """Drop every picture once per round, on a page that has answered before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{url}/")
        page.locator("body[data-ready]").wait_for()
        for name, (content, media_type) in files.items():
            _dropped(page, name, content, media_type)
        for _ in range(rounds):
            for name, (content, media_type) in files.items():
                yield _dropped(page, name, content, media_type)
    finally:
        context.close()


def _dropped(page: Page, name: str, content: bytes, media_type: str) -> Drop:
    page.wait_for_load_state("networkidle")
    with page.expect_response("**/compare*") as answered:
        shown_ms = float(page.evaluate(_DROP, [base64.b64encode(content).decode(), name, media_type]))
    answer: dict[str, Any] = answered.value.json()
    return Drop(name, shown_ms, answer["timing_ms"]["inference"])


def _scene(width: int, height: int) -> Image.Image:
    """Soft shapes, which a camera's file of this size compresses about as well as."""
    coarse = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def _file(image: Image.Image, file_format: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format)
    return stream.getvalue()
