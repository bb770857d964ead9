"""Views of an image whose answers are averaged on request: mirrored and shifted by a pixel.

One definition for those who serve and those who judge. The views and their weights are those of Jordan 2024
("94% on CIFAR-10 in 3.29 Seconds on a Single GPU").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

VIEW_WEIGHTS: tuple[float, ...] = (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)
"""Of `views` and of the answers to them, in order; they sum to one."""

_SHIFTS = ((0, 0), (-1, -1), (1, 1))


def views(images_NHWC: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """Six views of each image, every one uint8 [N, H, W, 3]; edges that move in are reflected.

    The image and its mirror image, both again moved by one pixel down and to the right, and up and to the left.
    Height and width are at least 2.
    """
    H, W = images_NHWC.shape[1:3]
    padded_NHWC = np.pad(images_NHWC, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    pictures = []
    for down, right in _SHIFTS:
        shifted_NHWC = padded_NHWC[:, 1 + down : 1 + down + H, 1 + right : 1 + right + W]
        pictures += [np.ascontiguousarray(shifted_NHWC), np.ascontiguousarray(shifted_NHWC[:, :, ::-1])]
    return pictures


def averaged(answers: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The mean of the logits float32 [N, K] that were given to `views`, in their order."""
    weighted = [np.float32(weight) * logits_NK for weight, logits_NK in zip(VIEW_WEIGHTS, answers, strict=True)]
    return np.asarray(np.sum(weighted, axis=0), dtype=np.float32)
