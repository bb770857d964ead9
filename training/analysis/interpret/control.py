"""What a map is held against: itself in a wrong place.

Deletion and insertion ask whether a map names the pixels that matter. Pixels that change in random order are no fair
opponent: they scatter over the image as noise, to which a network may be more sensitive than to the loss of any
object, so that every smooth map would lose to them. The same map at a random place has the same texture, and only its
place is chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.analysis.interpret.removal import Doubles, Probability, removal_curves

DRAWS = 1
"""Places that each map is moved to. What is chance in one averages out over the images, whose places are all different;
on a cnn, a second place narrowed the intervals of Grad-CAM by 12 and 25 % and made the check half as dear again."""


def moved(maps_NHW: Doubles, random: np.random.Generator) -> Doubles:
    """Each map shifted by a random step, round the edges, and every second one on average turned by 180 degrees.

    Both keep the values of a map and, exactly, the power at each spatial frequency.

    Args:
        maps_NHW: of any values.
        random: the source of chance.
    """
    images, height, width = maps_NHW.shape
    turned_NHW = np.where(random.random((images, 1, 1)) < 0.5, maps_NHW[:, ::-1, ::-1], maps_NHW)
    steps_N2 = random.integers((height, width), size=(images, 2))
    pairs = zip(turned_NHW, steps_N2.tolist(), strict=True)
    return np.stack([np.roll(map_HW, step, axis=(0, 1)) for map_HW, step in pairs])


def curves_against_moved(
    probability: Probability,
    start_NHWC: npt.NDArray[np.float32],
    end_NHWC: npt.NDArray[np.float32],
    maps_NHW: Doubles,
    *,
    seed: int,
) -> tuple[Doubles, Doubles]:
    """The curves in the order of the maps, and the mean of those in the order of moved maps, each [N, steps + 1].

    Args:
        probability: of the explained class.
        start_NHWC: pixels in [0, 1]; see `removal_curves`.
        end_NHWC: pixels in [0, 1].
        maps_NHW: of the images' pixels.
        seed: of the places that the maps are moved to.
    """
    random = np.random.default_rng(seed)
    others = [moved(maps_NHW, random) for _ in range(DRAWS)]
    own_NS, *others_NS = removal_curves(probability, start_NHWC, end_NHWC, [maps_NHW, *others])
    return own_NS, np.mean(others_NS, axis=0)
