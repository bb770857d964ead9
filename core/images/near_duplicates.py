"""Near-duplicate search: re-encoded, recolored, cropped or mirrored copies of one photograph.

The search has two steps:

1. Each image is averaged down to a thumbnail of 8x8 pixels. The thumbnails are whitened by principal component
   analysis, which removes structure that most images share (bright sky above, dark ground below). One matrix product
   compares all pairs by cosine similarity. Images are also compared mirrored, because training mirrors them.
2. Candidates are verified by the correlation of all pixels, with the mean of each channel removed. This separates
   different small dark objects before an empty sky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

SIMILARITY_THRESHOLD = 0.8
"""Minimum cosine similarity of the whitened thumbnails of a candidate pair.

In CIFAR-10, 427 pairs of test and training image pass both thresholds. Inspected by eye, almost all show one photograph
or neighbors of one series. With a threshold of 0.7, about one pair in ten shows neither.
"""

CORRELATION_THRESHOLD = 0.6
"""Minimum correlation of all pixels of a near duplicate."""

_SIDE = 8
_BLOCK = 1_000
"""Maximum number of images per block."""
_BLOCK_PAIRS = 25_000_000
"""Maximum number of pairs of a block image and a reference image; each takes 4 bytes of the matrix product."""

_WHITENING_FLOOR = 1e-4
"""Share of the largest variance that is added to all variances, so that noise is not amplified."""

Track = Callable[[Iterable[int]], Iterable[int]]
"""Progress wrapper of an iterable, such as `rich.progress.track`."""


@dataclass(frozen=True)
class NearPairs:
    """P near-duplicate pairs of a query image and a reference image, sorted by descending similarity.

    Attributes:
        query_P: int64, positions of the query images.
        reference_P: int64, positions of the reference images.
        mirrored_P: bool, True if the query image was mirrored.
        similarity_P: float32, cosine of the whitened thumbnails, up to 1.
        correlation_P: float32, correlation of all pixels, up to 1.
    """

    query_P: npt.NDArray[np.int64]
    reference_P: npt.NDArray[np.int64]
    mirrored_P: npt.NDArray[np.bool_]
    similarity_P: npt.NDArray[np.float32]
    correlation_P: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.query_P)

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> NearPairs:
        """The pairs that a mask or positions choose."""
        return NearPairs(*(getattr(self, field.name)[chosen] for field in fields(self)))


class NearDuplicateIndex:
    """Index of the whitened thumbnails of `reference_NHWC`, uint8 [N, H, W, 3]."""

    def __init__(self, reference_NHWC: npt.NDArray[np.uint8]) -> None:
        self._images_NHWC = reference_NHWC
        thumbnails_ND = _thumbnails(self._images_NHWC)
        self._mean_D, self._whitening_DD = _whitening(thumbnails_ND)
        self._reference_ND = self._whiten(thumbnails_ND)

    def lookup(self, images_NHWC: npt.NDArray[np.uint8], *, track: Track = iter) -> NearPairs:
        """Find all near-duplicate pairs of a query image and a reference image.

        Args:
            images_NHWC: query images, uint8, of the size of the reference images.
            track: progress wrapper of the blocks.
        """
        rows = max(1, min(_BLOCK, _BLOCK_PAIRS // len(self._images_NHWC)))
        found = [
            self._lookup_block(images_NHWC[start : start + rows], offset=start, mirrored=mirrored)
            for start in track(range(0, len(images_NHWC), rows))
            for mirrored in (False, True)
        ]
        pairs = _concatenated(found)
        pairs = pairs.take(np.argsort(-pairs.similarity_P, kind="stable"))
        # Symmetric images match both mirrored and unmirrored: keep the match with the higher similarity.
        return pairs.take(_first_occurrences(pairs.query_P * len(self._images_NHWC) + pairs.reference_P))

    def nearest(self, images_NHWC: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Find the most similar reference image of each query image, by cosine of the whitened thumbnails.

        Args:
            images_NHWC: query images, uint8, of the size of the reference images; also compared mirrored.

        Returns:
            Positions int64 [N], and similarities float32 [N], at most 1.
        """
        position_N = np.zeros(len(images_NHWC), np.int64)
        similarity_N = np.full(len(images_NHWC), -1, np.float32)
        for start in range(0, len(images_NHWC), _BLOCK):
            block = slice(start, start + _BLOCK)
            for query_NHWC in (images_NHWC[block], images_NHWC[block][:, :, ::-1]):
                similarity_NM = self._whiten(_thumbnails(query_NHWC)) @ self._reference_ND.T
                best_N = similarity_NM.argmax(axis=1)
                value_N = similarity_NM[np.arange(len(best_N)), best_N]
                closer_N = value_N > similarity_N[block]
                position_N[block] = np.where(closer_N, best_N, position_N[block])
                similarity_N[block] = np.where(closer_N, value_N, similarity_N[block])
        return position_N, similarity_N

    def _lookup_block(self, images_NHWC: npt.NDArray[np.uint8], *, offset: int, mirrored: bool) -> NearPairs:
        query_NHWC = images_NHWC[:, :, ::-1] if mirrored else images_NHWC
        similarity_NM = self._whiten(_thumbnails(query_NHWC)) @ self._reference_ND.T
        # Twice as fast as np.nonzero on the matrix.
        candidates = np.flatnonzero(similarity_NM >= SIMILARITY_THRESHOLD)
        query_P, reference_P = np.unravel_index(candidates, similarity_NM.shape)
        pairs = NearPairs(
            query_P=query_P + offset,
            reference_P=reference_P,
            mirrored_P=np.full(len(query_P), mirrored),
            similarity_P=similarity_NM[query_P, reference_P],
            correlation_P=_correlations(query_NHWC, query_P, self._images_NHWC, reference_P),
        )
        return pairs.take(pairs.correlation_P >= CORRELATION_THRESHOLD)

    def _whiten(self, thumbnails_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        centered_ND: npt.NDArray[np.float32] = thumbnails_ND - self._mean_D
        return _unit(centered_ND @ self._whitening_DD)


def _thumbnails(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Average each image down to 8x8, subtract its mean and scale it to unit length; float32 [N, D]."""
    _, height, width, _ = images_NHWC.shape
    rows, columns = (np.arange(min(_SIDE, size)) * size // min(_SIDE, size) for size in (height, width))
    areas_HW1 = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))[:, :, None].astype(np.float32)
    blocks = []
    for start in range(0, len(images_NHWC), _BLOCK):
        by_row_NHWC = np.add.reduceat(images_NHWC[start : start + _BLOCK], rows, axis=1, dtype=np.float32)
        means_NHWC = np.add.reduceat(by_row_NHWC, columns, axis=2) / areas_HW1
        blocks.append(means_NHWC.reshape(len(means_NHWC), -1))
    thumbnails_ND: npt.NDArray[np.float32] = np.concatenate(blocks)
    thumbnails_ND -= thumbnails_ND.mean(axis=1, keepdims=True)
    return _unit(thumbnails_ND)


def _whitening(thumbnails_ND: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean [D] and whitening matrix [D, D] of the thumbnails."""
    mean_D = thumbnails_ND.mean(axis=0)
    centered_ND = thumbnails_ND - mean_D
    variances_D, components_DD = np.linalg.eigh((centered_ND.T @ centered_ND).astype(np.float64) / len(centered_ND))
    # Identical images have no variance; the second term keeps the division finite.
    floor = max(_WHITENING_FLOOR * float(variances_D.max()), 1e-12)
    return mean_D, (components_DD / np.sqrt(variances_D.clip(min=0) + floor)).astype(np.float32)


def _correlations(
    first_NHWC: npt.NDArray[np.uint8],
    first_P: npt.NDArray[np.int64],
    second_NHWC: npt.NDArray[np.uint8],
    second_P: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Correlation of each pair over all pixels, with channel means removed; 0 for a uniform image."""
    correlation_P = np.empty(len(first_P), dtype=np.float32)
    for start in range(0, len(first_P), _BLOCK):
        block = slice(start, start + _BLOCK)
        product_PD = centered(first_NHWC[first_P[block]]) * centered(second_NHWC[second_P[block]])
        correlation_P[block] = product_PD.sum(axis=1)
    return correlation_P


def centered(images_PHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pixels without the mean of each channel, scaled to unit length, float32 [P, D]; zeros for a uniform image."""
    pixels_PHWC = images_PHWC.astype(np.float32)
    pixels_PHWC -= pixels_PHWC.mean(axis=(1, 2), keepdims=True)
    return _unit(pixels_PHWC.reshape(len(pixels_PHWC), -1))


def _unit(vectors_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Divide each row by its length; rows of zeros stay zero."""
    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.where(lengths_N1 > 0, lengths_N1, 1), dtype=np.float32)


def _concatenated(parts: Sequence[NearPairs]) -> NearPairs:
    return NearPairs(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(NearPairs)))


def _first_occurrences(keys_P: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Position of the first occurrence of each value, ascending."""
    return np.sort(np.unique(keys_P, return_index=True)[1])
