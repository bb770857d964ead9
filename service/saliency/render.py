"""Attribution maps as a picture: beside the image, or laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.engine.arrays import Pixels
from service.saliency.colors import DIVERGING, SEQUENTIAL
from service.saliency.methods import Doubles
from service.saliency.page import page

Layout = Literal["side_by_side", "blend", "map"]
_DRAWN_APART = 0.99
_FLAT_SHARE = 1e-6
_FLAT = 1e-12


@dataclass(frozen=True)
class Panel:
    """One map to be shown, float64 [H, W]; in a signed one values below 0 speak against the target."""

    map_HW: Doubles
    signed: bool


def is_flat(map_HW: Doubles) -> bool:
    """Whether a map says nothing: it spans less than rounding explains."""
    span = float(map_HW.max() - map_HW.min())
    return span <= max(_FLAT, _FLAT_SHARE * float(np.abs(map_HW).max()))


def picture(image_HWC: Pixels, panels: Sequence[Panel], layout: Layout) -> bytes:
    """The PNG of an image and its maps, from left to right.

    Args:
        image_HWC: uint8, as the model saw it.
        panels: the maps, of the same height and width.
        layout: `side_by_side` has the image first and the maps in full color, `blend` each map over the image in gray,
            `map` the maps alone.
    """
    return page([_row([image_HWC] * len(panels), panels, layout)])


def comparison_picture(images: Sequence[Pixels], panels: Sequence[Sequence[Panel]], layout: Layout) -> bytes:
    """The PNG of several models' maps: a row per method, in which each model has its place.

    Args:
        images: uint8 [h, w, 3] of each model, as it saw it; the first one's begins a row of the layout `side_by_side`.
        panels: of each model, a map per method.
        layout: as of `picture`.
    """
    return page([_row(images, row, layout) for row in zip(*panels, strict=True)])


def _row(images: Sequence[Pixels], panels: Sequence[Panel], layout: Layout) -> list[Pixels]:
    colored = [_colored(panel) for panel in panels]
    if layout == "map":
        return colored
    if layout == "side_by_side":
        return [images[0], *colored]
    return [_blended(*each) for each in zip(images, panels, colored, strict=True)]


def _strength(panel: Panel) -> Doubles:
    """The map on [0, 1], or on [-1, 1] where it is signed; 0 where it is flat.

    One pixel that stands out would leave the rest in one color, so the strongest hundredth is drawn alike.
    """
    map_HW = panel.map_HW
    if is_flat(map_HW):
        return np.zeros_like(map_HW)
    if not panel.signed:
        map_HW = map_HW - map_HW.min()
    strength_HW = np.abs(map_HW)
    strongest = np.quantile(strength_HW, _DRAWN_APART, method="lower") or strength_HW.max()
    return np.asarray(np.clip(map_HW / strongest, -1, 1))


def _colored(panel: Panel) -> Pixels:
    strength_HW = _strength(panel)
    table = DIVERGING if panel.signed else SEQUENTIAL
    share_HW = (strength_HW + 1) / 2 if panel.signed else strength_HW
    return table[np.rint(share_HW * (len(table) - 1)).astype(np.intp)]


def _blended(image_HWC: Pixels, panel: Panel, colors_HWC: Pixels) -> Pixels:
    """The stronger a pixel, the less of the image shows through."""
    gray_HW1 = image_HWC.mean(axis=-1, keepdims=True)
    cover_HW1 = 0.25 + 0.65 * np.abs(_strength(panel))[..., np.newaxis]
    return np.asarray(np.rint((1 - cover_HW1) * gray_HW1 + cover_HW1 * colors_HWC), np.uint8)
