"""Pairs of images that show nearly the same: re-encoded, re-colored, cropped or mirrored copies of one photograph.

They are found in two steps. First every image is made into a thumbnail of 8x8 pixels, whose values are whitened:
turned along the principal components of all thumbnails and divided by their standard deviations. That takes away
what most pictures share (a bright sky above, dark ground below), so that two thumbnails agree only if their
particulars do; one matrix product then compares all with all. Every picture is also looked up mirrored, since
training shows it that way too. What passes is verified on all pixels: the correlation of the two pictures, each
channel about its own mean, which tells apart small dark shapes before an empty sky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIMILARITY_THRESHOLD = 0.8
"""Cosine of two whitened thumbnails from which a pair is a candidate.

Of CIFAR-10's 427 pairs of test and training image that pass both thresholds, all but a handful are one photograph or
neighbors in one series, judged by eye; from 0.7 on about every tenth is neither.
"""

CORRELATION_THRESHOLD = 0.6
"""Correlation of all pixels from which a candidate counts."""

_SIDE = 8
_BLOCK = 1_000
"""Images compared with all others at a time: a block of the product takes 4 bytes times this times the others."""

_WHITENING_FLOOR = 1e-4
"""Share of the largest variance added to every one, so that components of mere noise are not blown up."""

Track = Callable[[Iterable[int]], Iterable[int]]
"""Passes on what it is given and shows how far that is."""


@dataclass(frozen=True)
class NearPairs:
    """P pairs of a queried and a reference image that show nearly the same, the most similar first.

    Attributes:
        query_P: int64, positions among the queried images.
        reference_P: int64, positions among the reference images.
        mirrored_P: bool, whether the queried image is the mirrored one.
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
        return NearPairs(
            self.query_P[chosen],
            self.reference_P[chosen],
            self.mirrored_P[chosen],
            self.similarity_P[chosen],
            self.correlation_P[chosen],
        )


class NearDuplicateIndex:
    """Looks up images among `reference_NHWC`; holds one whitened thumbnail of each."""

    def __init__(self, reference_NHWC: npt.NDArray[np.uint8]) -> None:
        self._images_NHWC = reference_NHWC
        thumbnails_ND = _thumbnails(self._images_NHWC)
        self._mean_D, self._whitening_DD = _whitening(thumbnails_ND)
        self._reference_ND = self._whiten(thumbnails_ND)

    def lookup(self, images_NHWC: npt.NDArray[np.uint8], *, track: Track = iter) -> NearPairs:
        """All pairs of `images_NHWC` (queried) and the reference that are near duplicates.

        Args:
            images_NHWC: uint8, of the size of the reference images.
            track: shown the progress over the blocks that are compared.
        """
        found = [
            self._lookup_block(images_NHWC[start : start + _BLOCK], offset=start, mirrored=mirrored)
            for start in track(range(0, len(images_NHWC), _BLOCK))
            for mirrored in (False, True)
        ]
        pairs = _joined(found)
        pairs = pairs.take(np.argsort(-pairs.similarity_P, kind="stable"))
        # A picture that is its own mirror image is found both ways; the more similar way counts.
        return pairs.take(_first_of_each(pairs.query_P * len(self._images_NHWC) + pairs.reference_P))

    def nearest(
        self, images_NHWC: npt.NDArray[np.uint8], *, track: Track = iter
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The most similar reference image of each, and the similarity: cosine of the whitened thumbnails.

        Args:
            images_NHWC: uint8, of the size of the reference images; each also counts mirrored.
            track: shown the progress over the blocks that are compared.

        Returns:
            Positions int64 [N], and similarities float32 [N], at most 1.
        """
        position_N = np.zeros(len(images_NHWC), np.int64)
        similarity_N = np.full(len(images_NHWC), -1, np.float32)
        for start in track(range(0, len(images_NHWC), _BLOCK)):
            block = slice(start, start + _BLOCK)
            for queried_NHWC in (images_NHWC[block], images_NHWC[block][:, :, ::-1]):
                similarity_NM = self._whiten(_thumbnails(queried_NHWC)) @ self._reference_ND.T
                best_N = similarity_NM.argmax(axis=1)
                value_N = similarity_NM[np.arange(len(best_N)), best_N]
                closer_N = value_N > similarity_N[block]
                position_N[block] = np.where(closer_N, best_N, position_N[block])
                similarity_N[block] = np.where(closer_N, value_N, similarity_N[block])
        return position_N, similarity_N

    def _lookup_block(self, images_NHWC: npt.NDArray[np.uint8], *, offset: int, mirrored: bool) -> NearPairs:
        queried_NHWC = images_NHWC[:, :, ::-1] if mirrored else images_NHWC
        similarity_NM = self._whiten(_thumbnails(queried_NHWC)) @ self._reference_ND.T
        # Twice as quick as np.nonzero on the matrix itself.
        candidates = np.flatnonzero(similarity_NM >= SIMILARITY_THRESHOLD)
        query_P, reference_P = np.unravel_index(candidates, similarity_NM.shape)
        pairs = NearPairs(
            query_P=query_P + offset,
            reference_P=reference_P,
            mirrored_P=np.full(len(query_P), mirrored),
            similarity_P=similarity_NM[query_P, reference_P],
            correlation_P=_correlations(queried_NHWC, query_P, self._images_NHWC, reference_P),
        )
        return pairs.take(pairs.correlation_P >= CORRELATION_THRESHOLD)

    def _whiten(self, thumbnails_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        centered_ND: npt.NDArray[np.float32] = thumbnails_ND - self._mean_D
        return _unit(centered_ND @ self._whitening_DD)


def _thumbnails(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """float32 [N, D]: each image averaged down to 8x8, less its mean, of length 1."""
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
    # Where all images are alike there is no variance; the second term keeps the division finite.
    floor = max(_WHITENING_FLOOR * float(variances_D.max()), 1e-12)
    return mean_D, (components_DD / np.sqrt(variances_D.clip(min=0) + floor)).astype(np.float32)


def _correlations(
    first_NHWC: npt.NDArray[np.uint8],
    first_P: npt.NDArray[np.int64],
    second_NHWC: npt.NDArray[np.uint8],
    second_P: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Correlation of each pair of images over all pixels, each channel about its own mean; 0 for a plain image."""
    correlation_P = np.empty(len(first_P), dtype=np.float32)
    for start in range(0, len(first_P), _BLOCK):
        block = slice(start, start + _BLOCK)
        product_PD = _centered(first_NHWC[first_P[block]]) * _centered(second_NHWC[second_P[block]])
        correlation_P[block] = product_PD.sum(axis=1)
    return correlation_P


def _centered(images_PHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    pixels_PHWC = images_PHWC.astype(np.float32)
    pixels_PHWC -= pixels_PHWC.mean(axis=(1, 2), keepdims=True)
    return _unit(pixels_PHWC.reshape(len(pixels_PHWC), -1))


def _unit(vectors_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each row divided by its length; a row of zeros stays one."""
    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.where(lengths_N1 > 0, lengths_N1, 1), dtype=np.float32)


def _joined(parts: Sequence[NearPairs]) -> NearPairs:
    return NearPairs(
        np.concatenate([part.query_P for part in parts]),
        np.concatenate([part.reference_P for part in parts]),
        np.concatenate([part.mirrored_P for part in parts]),
        np.concatenate([part.similarity_P for part in parts]),
        np.concatenate([part.correlation_P for part in parts]),
    )


def _first_of_each(keys_P: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ascending positions at which each value occurs for the first time."""
    return np.sort(np.unique(keys_P, return_index=True)[1])
