"""Picture files of captured images."""

from __future__ import annotations

import io
from base64 import b64encode

from PIL import Image

from service.engine.arrays import Pixels


def png(image_HWC: Pixels) -> bytes:
    """PNG file of an image, uint8 [H, W, 3]; equal images have equal files."""
    stream = io.BytesIO()
    Image.fromarray(image_HWC).save(stream, "PNG")
    return stream.getvalue()


def data_url(image_HWC: Pixels) -> str:
    """PNG file of an image as a `data:` URL."""
    return f"data:image/png;base64,{b64encode(png(image_HWC)).decode()}"
