"""Rendering of attribution maps as PNG: beside the image, or blended with it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from service.engine.arrays import Pixels
from service.saliency.methods import Doubles

Layout = Literal["side_by_side", "blend", "map"]
LONGER_SIDE = 256
"""Minimum longer side in pixels of an enlarged image."""
GAP = 8
"""Pixels between two images."""
_CLIP_QUANTILE = 0.99
_FLAT_SHARE = 1e-6
_FLAT = 1e-12
_LEVELS = 256

# 33 points per map, interpolated linearly; within 1.5 levels of the originals.
# Inferno: Nathaniel Smith and Stefan van der Walt 2015, CC0. Coolwarm: Kenneth Moreland 2009, public domain.
_INFERNO = (
    "000004 040312 0b0724 150b37 210c4a 2e0a5a 3c0965 4a0c6b 57106d 63146e 70196e 7d1e6d 89226a 962766 a32b61 af315c "
    "bb3755 c63e4d d14644 db4f3b e35932 eb6528 f1711e f67f14 f98d0a fb9c06 fcab0f fbba1f f9ca32 f5d949 f2e865 f3f586 "
    "fcffa4"
)
_COOLWARM = (
    "3b4cc0 445acc 4d68d7 5775e1 6282ea 6c8ef1 779af7 82a5fb 8db0fe 98b9ff a3c2fe aec9fc b8d0f9 c2d5f4 ccd9ee d5dbe6 "
    "dddddd e5d8d1 ecd3c5 f1ccb9 f4c4ad f7bba0 f7b194 f7a687 f49a7b f18d6f ec7f63 e57058 de604d d55042 cb3e38 c0282f "
    "b40426"
)


def _table(points: str) -> Pixels:
    colors_PC = np.array([list(bytes.fromhex(point)) for point in points.split()])
    positions = np.linspace(0, len(colors_PC) - 1, _LEVELS)
    channels = [np.interp(positions, np.arange(len(colors_PC)), colors_PC[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


SEQUENTIAL = _table(_INFERNO)
"""Black to red to pale yellow, uint8 [256, 3], for unsigned maps."""
DIVERGING = _table(_COOLWARM)
"""Blue to gray (zero) to red, uint8 [256, 3], for signed maps."""


@dataclass(frozen=True)
class Panel:
    """A map to render, float64 [H, W]; negative values of a signed map oppose the target."""

    map_HW: Doubles
    signed: bool


def is_flat(map_HW: Doubles) -> bool:
    """Return whether a map is constant within rounding error."""
    span = float(map_HW.max() - map_HW.min())
    return span <= max(_FLAT, _FLAT_SHARE * float(np.abs(map_HW).max()))


def picture(image_HWC: Pixels, panels: Sequence[Panel], layout: Layout) -> bytes:
    """Render an image and its maps from left to right, as PNG.

    Args:
        image_HWC: uint8, the model's input.
        panels: the maps, of the same height and width.
        layout: `side_by_side` (image, then maps in full color), `blend` (maps over the gray image) or `map` (maps).
    """
    return page([_row([image_HWC] * len(panels), panels, layout)])


def comparison_picture(images: Sequence[Pixels], panels: Sequence[Sequence[Panel]], layout: Layout) -> bytes:
    """Render maps of several models as PNG: one row per method, one column per model.

    Args:
        images: input of each model, uint8 [h, w, 3]; with `side_by_side`, each row starts with the first one.
        panels: for each model, one map per method.
        layout: as in `picture`.
    """
    return page([_row(images, row, layout) for row in zip(*panels, strict=True)])


def page(rows: Sequence[Sequence[Pixels]]) -> bytes:
    """Render rows of images, uint8 [h, w, 3] of any sizes, on white as PNG; small images are enlarged."""
    drawn = [[_enlarged(image_HWC) for image_HWC in row] for row in rows]
    width = max(sum(image.width + GAP for image in row) for row in drawn) - GAP
    heights = [max(image.height for image in row) for row in drawn]
    sheet = Image.new("RGB", (width, sum(heights) + GAP * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(drawn, heights, strict=True):
        left = 0
        for image in row:
            sheet.paste(image, (left, top))
            left += image.width + GAP
        top += height + GAP
    return _png(sheet)


def to_png(image_HWC: Pixels) -> bytes:
    """Encode an image, uint8 [H, W, 3], as PNG."""
    return _png(Image.fromarray(image_HWC))


def _png(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _enlarged(image_HWC: Pixels) -> Image.Image:
    """The image, enlarged by a whole factor if its longer side has fewer than LONGER_SIDE pixels."""
    scale = -(-LONGER_SIDE // max(image_HWC.shape[:2]))
    image = Image.fromarray(image_HWC)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _row(images: Sequence[Pixels], panels: Sequence[Panel], layout: Layout) -> list[Pixels]:
    colored = [_colored(panel) for panel in panels]
    if layout == "map":
        return colored
    if layout == "side_by_side":
        return [images[0], *colored]
    return [_blended(*each) for each in zip(images, panels, colored, strict=True)]


def _strength(panel: Panel) -> Doubles:
    """Normalize a map to [0, 1], or to [-1, 1] if signed; 0 if it is flat.

    The largest 1 % of the values are clipped, so that a single outlier does not hide the rest.
    """
    map_HW = panel.map_HW
    if is_flat(map_HW):
        return np.zeros_like(map_HW)
    if not panel.signed:
        map_HW = map_HW - map_HW.min()
    strength_HW = np.abs(map_HW)
    strongest = np.quantile(strength_HW, _CLIP_QUANTILE, method="lower") or strength_HW.max()
    return np.asarray(np.clip(map_HW / strongest, -1, 1))


def _colored(panel: Panel) -> Pixels:
    strength_HW = _strength(panel)
    table = DIVERGING if panel.signed else SEQUENTIAL
    share_HW = (strength_HW + 1) / 2 if panel.signed else strength_HW
    return table[np.rint(share_HW * (len(table) - 1)).astype(np.intp)]


def _blended(image_HWC: Pixels, panel: Panel, colors_HWC: Pixels) -> Pixels:
    """Blend colors over the gray image; opacity increases with the strength."""
    gray_HW1 = image_HWC.mean(axis=-1, keepdims=True)
    cover_HW1 = 0.25 + 0.65 * np.abs(_strength(panel))[..., np.newaxis]
    return np.asarray(np.rint((1 - cover_HW1) * gray_HW1 + cover_HW1 * colors_HWC), np.uint8)
