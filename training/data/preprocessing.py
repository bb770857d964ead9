"""Preprocessing: pixel scaling, one-hot labels and channel statistics, as pure functions for numpy or torch."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
import torch

from core.errors import DataError

_BLOCK = 1_000
"""Images per block in `value_counts`, which limits its memory."""


@overload
def scale_pixels(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...
@overload
def scale_pixels(images_NHWC: torch.Tensor) -> torch.Tensor: ...
def scale_pixels(images_NHWC: npt.NDArray[np.uint8] | torch.Tensor) -> npt.NDArray[np.float32] | torch.Tensor:
    """Convert uint8 pixels of any shape to float32 in [0, 1]: pixel / 255, as the same array type.

    Raises:
        DataError: the pixels are not uint8.
    """
    if images_NHWC.dtype not in (np.uint8, torch.uint8):
        raise DataError(f"pixels must be uint8 from 0 to 255, not {images_NHWC.dtype}")
    if isinstance(images_NHWC, torch.Tensor):
        return images_NHWC.to(torch.float32) / 255
    return np.divide(images_NHWC, 255, dtype=np.float32)


@overload
def one_hot(labels_N: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]: ...
@overload
def one_hot(labels_N: torch.Tensor, classes: int) -> torch.Tensor: ...
def one_hot(labels_N: npt.NDArray[np.int64] | torch.Tensor, classes: int) -> npt.NDArray[np.float32] | torch.Tensor:
    """One-hot encode integer labels [N] from 0 to classes - 1 as float32 [N, classes].

    Raises:
        DataError: a label is out of range.
    """
    if len(labels_N) and not 0 <= int(labels_N.min()) <= int(labels_N.max()) < classes:
        raise DataError(f"labels must be in 0 to {classes - 1}; found {int(labels_N.min())} to {int(labels_N.max())}")
    if isinstance(labels_N, torch.Tensor):
        return torch.nn.functional.one_hot(labels_N.long(), classes).to(torch.float32)
    encoded_NK = np.zeros((len(labels_N), classes), dtype=np.float32)
    encoded_NK[np.arange(len(labels_N)), labels_N] = 1
    return encoded_NK


def channel_statistics(
    images_NHWC: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and population standard deviation of each channel on the [0, 1] scale, float64 [3] each.

    Computed from histograms, which is exact up to rounding and needs no float copy of the images.
    """
    counts_CV = value_counts(images_NHWC)
    values_V = np.arange(256) / 255
    share_CV = counts_CV / counts_CV.sum(axis=1, keepdims=True)
    mean_C = share_CV @ values_V
    variance_C = (share_CV * (values_V - mean_C[:, None]) ** 2).sum(axis=1)
    return mean_C, np.sqrt(variance_C)


def value_counts(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Histogram of each channel, int64 [3, 256]."""
    counts_CV = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(images_NHWC), _BLOCK):
        block_NHWC = images_NHWC[start : start + _BLOCK]
        for channel in range(3):
            counts_CV[channel] += np.bincount(block_NHWC[..., channel].reshape(-1), minlength=256)
    return counts_CV
