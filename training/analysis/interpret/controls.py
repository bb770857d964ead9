"""Controls of deletion and insertion: maps with less information about an image than its own attribution map.

A control replaces the map and keeps everything else, so that a gain over it is due to the map:

- moved: the same map, randomly shifted. Its texture is the same, its position is random. It does not control for the
  position of objects, which are mostly in the center.
- other_image: the map of another image with the same target. It keeps the position and texture of maps of the class.
- mean_map: the mean of the maps of all other images. It keeps the position only.
- center: pixels ordered by their distance from the center, as by any centered Gaussian. It needs no network.

A random order of the pixels is not a control: it adds noise, and a network may be more sensitive to noise than to a
missing object.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.records.explanations import ControlName

Doubles = npt.NDArray[np.float64]
CONTROLS: tuple[ControlName, ...] = ("moved", "other_image", "mean_map", "center")


def image_controls(
    maps_NHW: Doubles, target_N: npt.NDArray[np.int64], random: np.random.Generator
) -> dict[ControlName, Doubles]:
    """Return the controls that are made from maps, that is, all except `center`; float64 [N, H, W] each.

    Args:
        maps_NHW: attribution maps, none of them flat.
        target_N: explained class of each image.
        random: random number generator for the shifts.
    """
    return {
        "moved": moved(maps_NHW, random),
        "other_image": maps_NHW[other_images(target_N)],
        "mean_map": mean_of_others(maps_NHW),
    }


def moved(maps_NHW: Doubles, random: np.random.Generator) -> Doubles:
    """Shift each map cyclically by a random step, and rotate it by 180 degrees with probability 0.5.

    Both operations keep the values of a map and its power spectrum.
    """
    images, height, width = maps_NHW.shape
    turned_NHW = np.where(random.random((images, 1, 1)) < 0.5, maps_NHW[:, ::-1, ::-1], maps_NHW)
    steps_N2 = random.integers((height, width), size=(images, 2))
    pairs = zip(turned_NHW, steps_N2.tolist(), strict=True)
    return np.stack([np.roll(map_HW, step, axis=(0, 1)) for map_HW, step in pairs])


def other_images(target_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index of another image with the same target for each image: the next one, and the first after the last.

    If no other image has the target, it is the next image of any target. A single image gets its own index.
    """
    images = len(target_N)
    other_N = (np.arange(images) + 1) % images
    for target in np.unique(target_N):
        same = np.flatnonzero(target_N == target)
        if len(same) > 1:
            other_N[same] = np.roll(same, -1)
    return other_N


def mean_of_others(maps_NHW: Doubles) -> Doubles:
    """Mean of the maps of all other images, each divided by its Euclidean norm; a single map is returned unchanged."""
    if len(maps_NHW) == 1:
        return maps_NHW
    unit_NHW = maps_NHW / np.linalg.norm(maps_NHW, axis=(1, 2), keepdims=True)
    return np.asarray((unit_NHW.sum(axis=0) - unit_NHW) / (len(unit_NHW) - 1))


def center_map(height: int, width: int) -> Doubles:
    """Negative squared distance from the center, float64 [H, W]: the pixel order of every centered Gaussian."""
    rows_HW, columns_HW = np.mgrid[0:height, 0:width].astype(np.float64)
    return np.asarray(-((rows_HW - (height - 1) / 2) ** 2) - (columns_HW - (width - 1) / 2) ** 2)
