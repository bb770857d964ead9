"""Near-duplicate search: re-encoded, recolored, cropped or mirrored copies of one photograph.

The search has two steps:

1. Each image is averaged down to a thumbnail of 8x8 pixels. The thumbnails are whitened by principal component
   analysis, which removes structure that most images share (bright sky above, dark ground below). All pairs are
   compared by cosine similarity. Images are also compared mirrored, because training mirrors them.
2. Candidates are verified by the correlation of all pixels, with the mean of each channel removed. This separates
   different small dark objects before an empty sky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

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
"""Maximum number of query images that are compared at once."""
_TILE = 2_000
"""Maximum number of reference images that are compared with them at once: 8 MB of products, which stay in the cache."""
_PIXELS = 4_000_000
"""Pixel values of the candidates that are verified at once, 4 bytes each."""

_BOUND_DIMENSIONS = 80
"""Dimensions of the short vectors: of two unrelated images, the bound is above the threshold for one pair in 10,000."""
_ROUNDING = 1e-4
"""Rounding error of the bound, at most."""

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


@dataclass(frozen=True, eq=False)
class _Vectors:
    """Whitened thumbnails, and shorter vectors whose products bound theirs.

    Attributes:
        whole_ND: float32 [N, D], unit length; zeros for a uniform image.
        short_NP: float32 [N, P], `_BOUND_DIMENSIONS` components of a rotation of `whole_ND` and the length of the rest.
    """

    whole_ND: npt.NDArray[np.float32]
    short_NP: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.whole_ND)

    def take(self, chosen_M: npt.NDArray[np.int64]) -> _Vectors:
        return _Vectors(self.whole_ND[chosen_M], self.short_NP[chosen_M])


class NearDuplicateIndex:
    """Index of the whitened thumbnails of `reference_NHWC`, uint8 [N, H, W, 3].

    The search compares all pairs, but most of them by short vectors, in tiles of constant memory. It is exact: the
    product of two short vectors is never below that of the whole ones (Cauchy-Schwarz inequality).
    """

    def __init__(self, reference_NHWC: npt.NDArray[np.uint8]) -> None:
        self._images_NHWC = reference_NHWC
        thumbnails_ND = _thumbnails(self._images_NHWC)
        self._mean_D, self._whitening_DD = _whitening(thumbnails_ND)
        self._rotation_DP = _rotation(thumbnails_ND.shape[1])
        self._reference = self._vectors(thumbnails_ND)

    def lookup(self, images_NHWC: npt.NDArray[np.uint8], *, track: Track = iter) -> NearPairs:
        """Find all near-duplicate pairs of a query image and a reference image.

        Args:
            images_NHWC: query images, uint8, of the size of the reference images.
            track: progress wrapper of the blocks.
        """
        found = [
            self._lookup_block(images_NHWC[start : start + _BLOCK], offset=start, mirrored=mirrored)
            for start in track(range(0, len(images_NHWC), _BLOCK))
            for mirrored in (False, True)
        ]
        pairs = _concatenated(found)
        pairs = pairs.take(np.argsort(-pairs.similarity_P, kind="stable"))
        # Symmetric images match both mirrored and unmirrored: keep the match with the higher similarity.
        return pairs.take(_first_occurrences(pairs.query_P * len(self._images_NHWC) + pairs.reference_P))

    def neighbors(
        self, chosen_M: npt.NDArray[np.int64], others_N: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Find pairs of reference images, one of `chosen_M` and one of `others_N`, of which one is a near duplicate.

        Whitening is not symmetric under mirroring, so each of the two is compared as the mirrored one.

        Args:
            chosen_M: int64 [M], positions of reference images.
            others_N: int64 [N], positions of reference images; may contain those of `chosen_M`.

        Returns:
            int64 [P] of `chosen_M` and int64 [P] of `others_N`. A pair may occur several times.
        """
        plain, mirrored = self._reference, self._mirrored
        found = []
        for one, other, flipped in ((plain, plain, False), (mirrored, plain, True), (plain, mirrored, True)):
            first_P, second_P, _ = _similar(one.take(chosen_M), other.take(others_N))
            images_MHWC = self._images_NHWC[chosen_M]
            query_MHWC = images_MHWC[:, :, ::-1] if flipped else images_MHWC
            near_P = _correlations(query_MHWC, first_P, self._images_NHWC, others_N[second_P]) >= CORRELATION_THRESHOLD
            found.append((chosen_M[first_P[near_P]], others_N[second_P[near_P]]))
        firsts, seconds = zip(*found, strict=True)
        return np.concatenate(firsts), np.concatenate(seconds)

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
                similarity_NM = self._whiten(_thumbnails(query_NHWC)) @ self._reference.whole_ND.T
                best_N = similarity_NM.argmax(axis=1)
                value_N = similarity_NM[np.arange(len(best_N)), best_N]
                closer_N = value_N > similarity_N[block]
                position_N[block] = np.where(closer_N, best_N, position_N[block])
                similarity_N[block] = np.where(closer_N, value_N, similarity_N[block])
        return position_N, similarity_N

    @cached_property
    def _mirrored(self) -> _Vectors:
        return self._vectors(_thumbnails(self._images_NHWC[:, :, ::-1]))

    def _lookup_block(self, images_NHWC: npt.NDArray[np.uint8], *, offset: int, mirrored: bool) -> NearPairs:
        query_NHWC = images_NHWC[:, :, ::-1] if mirrored else images_NHWC
        query_P, reference_P, similarity_P = _similar(self._vectors(_thumbnails(query_NHWC)), self._reference)
        pairs = NearPairs(
            query_P=query_P + offset,
            reference_P=reference_P,
            mirrored_P=np.full(len(query_P), mirrored),
            similarity_P=similarity_P,
            correlation_P=_correlations(query_NHWC, query_P, self._images_NHWC, reference_P),
        )
        return pairs.take(pairs.correlation_P >= CORRELATION_THRESHOLD)

    def _vectors(self, thumbnails_ND: npt.NDArray[np.float32]) -> _Vectors:
        whole_ND = self._whiten(thumbnails_ND)
        rotated_NP = whole_ND @ self._rotation_DP
        rest_N = (whole_ND**2).sum(axis=1) - (rotated_NP**2).sum(axis=1)
        return _Vectors(whole_ND, np.column_stack([rotated_NP, np.sqrt(rest_N.clip(min=0))]))

    def _whiten(self, thumbnails_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        centered_ND: npt.NDArray[np.float32] = thumbnails_ND - self._mean_D
        return _unit(centered_ND @ self._whitening_DD)


def _similar(
    first: _Vectors, second: _Vectors
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Positions in `first` and in `second` of all pairs above the similarity threshold, and their similarities, [P]."""
    first_P, second_P, similarity_P = [], [], []
    for start in range(0, len(second), _TILE):
        bound_NM = first.short_NP @ second.short_NP[start : start + _TILE].T
        # Twice as fast as np.nonzero on the matrix.
        candidates = np.flatnonzero(bound_NM >= SIMILARITY_THRESHOLD - _ROUNDING)
        for part in range(0, len(candidates), _TILE):
            row_P, column_P = np.unravel_index(candidates[part : part + _TILE], bound_NM.shape)
            column_P = column_P + start
            products_P = np.einsum("pd,pd->p", first.whole_ND[row_P], second.whole_ND[column_P])
            similar_P = products_P >= SIMILARITY_THRESHOLD
            first_P.append(row_P[similar_P])
            second_P.append(column_P[similar_P])
            similarity_P.append(products_P[similar_P])
    none = np.zeros(0, np.int64)
    return (
        np.concatenate([none, *first_P]),
        np.concatenate([none, *second_P]),
        np.concatenate([none.astype(np.float32), *similarity_P]),
    )


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


def _rotation(dimensions: int) -> npt.NDArray[np.float32]:
    """The first columns of a fixed random rotation, [D, P], which spreads the length of vectors over all dimensions."""
    gaussian_DD = np.random.default_rng(0).standard_normal((dimensions, dimensions))
    return np.linalg.qr(gaussian_DD)[0][:, :_BOUND_DIMENSIONS].astype(np.float32)


def _correlations(
    first_NHWC: npt.NDArray[np.uint8],
    first_P: npt.NDArray[np.int64],
    second_NHWC: npt.NDArray[np.uint8],
    second_P: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Correlation of each pair over all pixels, with channel means removed; 0 for a uniform image."""
    correlation_P = np.empty(len(first_P), dtype=np.float32)
    step = max(1, _PIXELS // first_NHWC[:1].size) if len(first_P) else 1
    for start in range(0, len(first_P), step):
        block = slice(start, start + step)
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
