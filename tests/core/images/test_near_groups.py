"""Groups of near duplicates: copies of one photograph, and no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from core.images import near_groups as module
from core.images.near_groups import near_groups


def photographs(count: int, *, side: int = 32, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth random images, uint8 [N, side, side, 3]."""
    generator = np.random.default_rng(seed)
    small_NHWC = generator.integers(0, 255, (count, 6, 6, 3)).astype(np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in small_NHWC]
    )


def keys(count: int) -> npt.NDArray[np.uint64]:
    return np.arange(count, dtype=np.uint64)[::-1].copy()


@pytest.mark.parametrize("directly", [2_000, 0])
@pytest.mark.parametrize("side", [32, 96])
def test_copies_are_one_group(side: int, directly: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMPARED_DIRECTLY", directly)
    images_NHWC = photographs(60, side=side)
    brighter = (images_NHWC[3].astype(int) * 9 // 10 + 20).astype(np.uint8)
    mirrored = images_NHWC[7][:, ::-1]
    noise = np.random.default_rng(1).integers(-3, 4, images_NHWC[9].shape)
    recoded = (images_NHWC[9].astype(int) + noise).clip(0, 255).astype(np.uint8)
    all_NHWC = np.concatenate([images_NHWC, np.stack([brighter, mirrored, recoded])])
    groups_N = near_groups(all_NHWC, keys(63))
    assert [groups_N[position] for position in (3, 7, 9)] == [groups_N[position] for position in (60, 61, 62)]
    # The group is named by the image with the lowest key.
    assert groups_N[[60, 61, 62]].tolist() == [60, 61, 62]
    assert len(set(groups_N.tolist())) == 60


def test_uniform_images_are_not_copies_of_one_another() -> None:
    images_NHWC = np.repeat(np.arange(5, dtype=np.uint8) * 50, 32 * 32 * 3).reshape(5, 32, 32, 3)
    assert len(set(near_groups(images_NHWC, keys(5)).tolist())) == 5


def test_chain_of_similar_images_does_not_join_different_ones() -> None:
    first, last = photographs(2, seed=3).astype(np.float64)
    chain_NHWC = np.stack([first + (last - first) * step / 20 for step in range(21)]).astype(np.uint8)
    groups_N = near_groups(chain_NHWC, np.arange(21, dtype=np.uint64))
    assert groups_N[0] == groups_N[1]
    assert groups_N[0] != groups_N[20]


@pytest.mark.parametrize("directly", [2_000, 0])
def test_groups_are_those_of_all_pairs(directly: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that grow, and images that already have a group, do not change the result."""
    monkeypatch.setattr(module, "_COMPARED_DIRECTLY", directly)
    monkeypatch.setattr(module, "_FIRST_BLOCK", 2)
    monkeypatch.setattr(module, "_LARGEST_BLOCK", 16)
    firsts_NHWC, others_NHWC = photographs(300, seed=4).astype(np.float64), photographs(100, seed=5).astype(np.float64)
    shares_N = np.linspace(0, 1, 100)[:, None, None, None]
    mixed_NHWC = (1 - shares_N) * firsts_NHWC[:100] + shares_N * others_NHWC
    mixed_NHWC[::3] = mixed_NHWC[::3, :, ::-1]
    images_NHWC = np.concatenate([firsts_NHWC, mixed_NHWC, mixed_NHWC[10:20] * 0.9]).astype(np.uint8)
    count = len(images_NHWC)
    keys_N = np.random.default_rng(6).permutation(count).astype(np.uint64)
    everything_N = np.arange(count)
    pairs = set(
        zip(*(each.tolist() for each in module._neighbors(images_NHWC)(everything_N, everything_N)), strict=True)
    )
    expected = [-1] * count
    for first in np.argsort(keys_N).tolist():
        if expected[first] < 0:
            for second in range(count):
                if expected[second] < 0 and (second == first or (first, second) in pairs):
                    expected[second] = first
    assert near_groups(images_NHWC, keys_N).tolist() == expected
    assert len(set(expected)) < count - 30


def test_many_copies_are_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMPARED_DIRECTLY", 0)
    different_NHWC, [copied_HWC] = photographs(960, seed=1), photographs(1, seed=2)
    noise_NHWC = np.random.default_rng(0).integers(-1, 2, (40, 32, 32, 3))
    copies_NHWC = (copied_HWC.astype(int) + noise_NHWC).clip(0, 255).astype(np.uint8)
    groups_N = near_groups(np.concatenate([copies_NHWC, different_NHWC]), np.arange(1_000, dtype=np.uint64))
    assert groups_N.tolist() == [0] * 40 + list(range(40, 1_000))
