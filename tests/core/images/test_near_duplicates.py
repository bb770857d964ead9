from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from core.images import near_duplicates
from core.images.near_duplicates import NearDuplicateIndex, NearPairs
from tests.training.analysis.explore.pictures import altered, pictures

REFERENCE = pictures(400)


def found(pairs: NearPairs) -> list[tuple[int, int, bool]]:
    return sorted(zip(pairs.query_P.tolist(), pairs.reference_P.tolist(), pairs.mirrored_P.tolist(), strict=True))


def test_lookup_finds_altered_and_mirrored_copies_only() -> None:
    queries = pictures(30, seed=1)
    queries[3] = REFERENCE[17]
    queries[8] = altered(REFERENCE[200])
    queries[21] = altered(REFERENCE[5])[:, ::-1]
    pairs = NearDuplicateIndex(REFERENCE).lookup(queries)
    assert found(pairs) == [(3, 17, False), (8, 200, False), (21, 5, True)]
    assert pairs.query_P[0] == 3
    assert pairs.similarity_P[0] == pytest.approx(1, abs=1e-5)
    assert pairs.correlation_P[0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(pairs.similarity_P) <= 0).all()


def test_one_query_may_have_several_copies() -> None:
    reference = REFERENCE.copy()
    reference[9] = altered(reference[1], seed=1)
    reference[350] = altered(reference[1], seed=2)[:, ::-1]
    pairs = NearDuplicateIndex(reference).lookup(reference[1:2])
    assert found(pairs) == [(0, 1, False), (0, 9, False), (0, 350, True)]


def test_symmetric_image_is_found_once() -> None:
    reference = REFERENCE.copy()
    reference[50] = np.maximum(reference[50], reference[50][:, ::-1])
    pairs = NearDuplicateIndex(reference).lookup(reference[50:51])
    assert found(pairs) == [(0, 50, False)]


def test_unrelated_pictures_have_no_pair() -> None:
    pairs = NearDuplicateIndex(REFERENCE).lookup(pictures(200, seed=5))
    assert len(pairs) == 0
    assert pairs.query_P.dtype == np.int64


def test_plain_images_are_no_duplicates_of_each_other() -> None:
    reference = REFERENCE.copy()
    reference[10:20] = 255
    queries = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    assert len(NearDuplicateIndex(reference).lookup(queries)) == 0


def test_reference_of_plain_images_has_no_pair() -> None:
    plain = np.full((5, 32, 32, 3), 77, dtype=np.uint8)
    assert len(NearDuplicateIndex(plain).lookup(REFERENCE[:3])) == 0


@pytest.mark.parametrize(("height", "width"), [(9, 30), (8, 8), (5, 7), (64, 20)])
def test_images_of_any_size(height: int, width: int) -> None:
    reference = pictures(300, height=height, width=width)
    queries = np.stack([altered(reference[7]), altered(reference[8])[:, ::-1]])
    pairs = NearDuplicateIndex(reference).lookup(queries)
    assert {(0, 7, False), (1, 8, True)} <= set(found(pairs))
    assert pairs.query_P[:2].tolist() in ([0, 1], [1, 0])


def test_block_size_does_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = np.stack([altered(image, seed=number) for number, image in enumerate(REFERENCE[:40])])
    whole = NearDuplicateIndex(REFERENCE).lookup(queries)
    shown: list[int] = []

    def track(blocks: Iterable[int]) -> Iterator[int]:
        for block in blocks:
            shown.append(block)
            yield block

    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    in_blocks = NearDuplicateIndex(REFERENCE).lookup(queries, track=track)
    assert found(in_blocks) == found(whole) == [(number, number, False) for number in range(40)]
    np.testing.assert_allclose(np.sort(in_blocks.correlation_P), np.sort(whole.correlation_P), rtol=1e-5)
    assert shown == [0, 7, 14, 21, 28, 35]


def test_correlation_removes_channel_means_and_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = altered(REFERENCE[0])
    index = NearDuplicateIndex(REFERENCE)
    pairs = index.lookup(copy[None])
    one, other = (image.astype(float) - image.mean(axis=(0, 1)) for image in (copy, REFERENCE[0]))
    expected = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    assert pairs.correlation_P.tolist() == pytest.approx([expected], abs=1e-5)

    monkeypatch.setattr(near_duplicates, "CORRELATION_THRESHOLD", expected + 1e-3)
    assert len(index.lookup(copy[None])) == 0


def test_another_color_cast_is_still_the_same_picture() -> None:
    tinted = np.clip(REFERENCE[30] + np.array([15, -10, -15]), 0, 255).astype(np.uint8)
    assert found(NearDuplicateIndex(REFERENCE).lookup(tinted[None])) == [(0, 30, False)]


def test_nearest_finds_images_and_mirrored_images(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = NearDuplicateIndex(REFERENCE), REFERENCE[[3, 40, 17]]
    queries[1] = queries[1][:, ::-1]
    positions, similarities = index.nearest(queries)
    assert positions.tolist() == [3, 40, 17]
    assert similarities == pytest.approx(1, abs=1e-5)
    others = pictures(20, seed=5)
    whole = index.nearest(others)
    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    parts = index.nearest(others)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-6)


def around_the_threshold(count: int) -> npt.NDArray[np.uint8]:
    """`count` pictures, and as many mixes of each with another one by different shares; every second one mirrored."""
    pictures_NHWC, others_NHWC = pictures(count, seed=8).astype(np.float64), pictures(count, seed=9).astype(np.float64)
    shares_N = np.linspace(0, 1, count)[:, None, None, None]
    mixed_NHWC = (1 - shares_N) * pictures_NHWC + shares_N * others_NHWC
    mixed_NHWC[::2] = mixed_NHWC[::2, :, ::-1]
    return np.concatenate([pictures_NHWC, mixed_NHWC]).astype(np.uint8)


@pytest.mark.parametrize("dimensions", [1, 20, 80, 192])
def test_short_vectors_lose_no_pair(dimensions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images_NHWC = around_the_threshold(200)
    monkeypatch.setattr(near_duplicates, "_BOUND_DIMENSIONS", dimensions)
    monkeypatch.setattr(near_duplicates, "_TILE", 37)
    pairs = NearDuplicateIndex(images_NHWC).lookup(images_NHWC)
    # The same search by the products of the whole vectors.
    monkeypatch.setattr(near_duplicates, "_rotation", lambda size: np.eye(size, dtype=np.float32))
    monkeypatch.setattr(near_duplicates, "_TILE", 8_000)
    whole = NearDuplicateIndex(images_NHWC).lookup(images_NHWC)
    assert found(pairs) == found(whole)
    assert len(pairs) > 450
    assert (whole.similarity_P < near_duplicates.SIMILARITY_THRESHOLD + 0.1).sum() > 10


def test_neighbors_are_the_pairs_of_a_lookup_in_both_directions() -> None:
    images_NHWC = around_the_threshold(100)
    index = NearDuplicateIndex(images_NHWC)
    pairs = index.lookup(images_NHWC)
    one_way = set(zip(pairs.query_P.tolist(), pairs.reference_P.tolist(), strict=True))
    both_ways = one_way | {(second, first) for first, second in one_way}
    chosen_M, others_N = np.arange(5, 120), np.arange(80, 200)
    first_P, second_P = index.neighbors(chosen_M, others_N)
    expected = {(first, second) for first, second in both_ways if 5 <= first < 120 and second >= 80}
    assert set(zip(first_P.tolist(), second_P.tolist(), strict=True)) == expected
    assert sum(first != second for first, second in expected) > 10
