"""Synthetic labeled folders: one color per class, in many sizes, modes and formats."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {
    "brick red": (200, 60, 50),
    "grass": (60, 180, 70),
    "night": (20, 20, 90),
    "sand": (220, 200, 140),
    "snow": (240, 240, 245),
}
_MODES = ("RGB", "RGBA", "P", "L", "CMYK")
_FORMATS = {"RGB": "PNG", "RGBA": "PNG", "P": "GIF", "L": "BMP", "CMYK": "JPEG"}


def picture(label: str, number: int, *, mode: str = "RGB") -> bytes:
    """An encoded image of a class, different for every number in content and in size.

    Classes that `COLORS` lacks have a color that follows from their name.
    """
    generator = np.random.default_rng([number, *label.encode()])
    height, width = generator.integers(20, 90, size=2)
    noise_HWC = generator.normal(0, 12, size=(height, width, 3))
    color = COLORS.get(label) or np.random.default_rng([*label.encode()]).integers(20, 236, size=3)
    pixels_HWC = np.clip(np.array(color) + noise_HWC, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels_HWC).convert(mode).save(stream, _FORMATS[mode])
    return stream.getvalue()


def write_labelled_folder(home: Path, name: str, images: Mapping[str, int], *, mixed: bool = False) -> Path:
    """Write DUET_HOME/datasets/`name` with so many images of each class; `mixed`: in several modes and formats."""
    folder = home / "datasets" / name
    for label, count in images.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            # Gray pictures of two classes can look the same, so that only one class has them.
            mode = _MODES[number % len(_MODES)] if mixed and (label == "snow" or number % len(_MODES) != 3) else "RGB"
            (folder / label / f"{number:04}").write_bytes(picture(label, number, mode=mode))
    return folder
