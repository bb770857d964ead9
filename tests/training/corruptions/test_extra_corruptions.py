from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt
import pytest

from training.corruptions import blur, cifar10c, noise, weather
from training.corruptions.cifar10c import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES, corrupted
from training.corruptions.spatter import canny_edges, equalized, spatter

Floats = npt.NDArray[np.float64]


def random() -> np.random.Generator:
    return np.random.default_rng(3)


def colored(images: int = 4, height: int = 32, width: int = 32) -> npt.NDArray[np.uint8]:
    """Smooth colored images, uint8 [N, H, W, 3]."""
    rows, columns = np.mgrid[0:height, 0:width] / 9
    waves = [[127 + 90 * np.sin(rows * k + columns * (c + 1)) for c in range(3)] for k in range(images)]
    return np.stack(waves).transpose(0, 2, 3, 1).astype(np.uint8)


def test_extra_corruptions_are_disjoint_from_the_evaluated_ones() -> None:
    assert set(EXTRA_CORRUPTIONS) == {"speckle_noise", "gaussian_blur", "spatter", "saturate"}
    assert not set(EXTRA_CORRUPTIONS) & set(CORRUPTIONS)


@pytest.mark.parametrize("name", EXTRA_CORRUPTIONS)
@pytest.mark.parametrize("size", [(32, 32), (20, 45)])
def test_extra_corruption_any_size_changes_and_repeats(name: str, size: tuple[int, int]) -> None:
    images_NHWC = colored(4, *size)
    assert len(EXTRA_CORRUPTIONS[name].severities) == 5
    for severity in SEVERITIES:
        changed_NHWC = corrupted(name, severity, images_NHWC, 0)
        assert changed_NHWC.shape == images_NHWC.shape
        assert changed_NHWC.dtype == np.uint8
        assert np.any(changed_NHWC != images_NHWC)
        np.testing.assert_array_equal(changed_NHWC, corrupted(name, severity, images_NHWC, 0))


def test_speckle_noise_deviation_is_proportional_to_the_value() -> None:
    for value in (0.2, 0.8):
        noisy_NHWC = noise.speckle_noise(np.full((8, 32, 32, 3), value), random(), 0.1)
        assert noisy_NHWC.std() == pytest.approx(0.1 * value, rel=0.02)
        assert noisy_NHWC.mean() == pytest.approx(value, rel=0.01)


def test_gaussian_blur_spreads_a_point_by_its_deviation() -> None:
    image_NHWC = np.zeros((2, 33, 33, 3))
    image_NHWC[0, 16, 16] = 1
    spread_NHWC = blur.gaussian_blur(image_NHWC, random(), 1.0)
    places = np.arange(33) - 16
    expected = np.where(np.abs(places) <= 4, np.exp(-(places**2) / 2), 0)
    expected /= expected.sum()
    np.testing.assert_allclose(spread_NHWC[0, :, :, 0], np.outer(expected, expected), atol=1e-12)
    assert not spread_NHWC[1].any()


@pytest.mark.parametrize(("factor", "added"), [(0.3, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)])
def test_saturate_matches_conversion_through_hsv(factor: float, added: float) -> None:
    pixels = [*np.random.default_rng(0).random((50, 3)), np.full(3, 0.4), np.zeros(3), np.array([0.0, 0.5, 0.5])]
    expected = []
    for pixel in pixels:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected.append(colorsys.hsv_to_rgb(hue, min(1, saturation * factor + added), value))
    changed_NHWC = weather.saturate(np.stack(pixels)[None, None], random(), factor, added)
    np.testing.assert_allclose(changed_NHWC[0, 0], expected, atol=1e-12)


def test_canny_thin_line_at_a_step_and_none_below_the_threshold() -> None:
    images_NHW = np.zeros((3, 12, 12))
    images_NHW[0, :, 6:] = 200
    images_NHW[1, 6:, :] = 10
    edges_NHW = canny_edges(images_NHW)
    assert np.all(edges_NHW[0].sum(axis=1) == 1)
    assert edges_NHW[0][:, 5:7].sum() == 12
    assert not edges_NHW[1:].any()


def test_canny_keeps_weak_edges_next_to_strong_ones() -> None:
    images_NHW = np.zeros((2, 12, 30))
    images_NHW[:, :6] = 20  # gradient 80: between the two thresholds
    images_NHW[0, :6, :10] = 100  # gradient 400, in the same line
    edges_NHW = canny_edges(images_NHW)
    assert edges_NHW[0][:, 20:].any()
    assert not edges_NHW[1].any()


def test_equalized_maps_ranks_to_the_whole_range() -> None:
    images_NHW = np.array([[[3, 3], [7, 200]], [[9, 9], [9, 9]]], np.uint8)
    np.testing.assert_array_equal(equalized(images_NHW), [[[0, 0], [128, 255]], [[9, 9], [9, 9]]])


def test_mud_covers_with_its_color_and_leaves_the_rest() -> None:
    image_NHWC = np.full((4, 32, 32, 3), 0.9)
    muddy_NHWC = spatter(image_NHWC, random(), 0.65, 0.1, 0.5, 0.68, 0.6, 1)
    clear_NHW = np.all(muddy_NHWC == 0.9, axis=-1)
    assert 0.5 < clear_NHW.mean() < 0.99
    # Drops have an opacity of at least 0.8, so at most a fifth of the image color remains under them.
    mud_C = np.array([63, 42, 20]) / 255
    assert np.all(muddy_NHWC[~clear_NHW] <= 0.2 * 0.9 + 0.8 * mud_C + 1e-9)


def test_water_adds_up_to_its_strength_in_each_image() -> None:
    added_NHWC = spatter(np.zeros((4, 32, 32, 3)), random(), 0.65, 0.3, 1, 0.69, 0.5, 0)
    np.testing.assert_allclose(added_NHWC.max(axis=(1, 2)), np.tile(0.5 * np.array([175, 238, 238]) / 255, (4, 1)))
    assert added_NHWC.min() == 0
    assert np.mean(added_NHWC == 0) > 0.3


def test_water_that_never_reaches_the_threshold_changes_nothing() -> None:
    image_NHWC = colored() / 255
    np.testing.assert_array_equal(spatter(image_NHWC, random(), 0.1, 0.01, 0.7, 0.7, 0.5, 0), image_NHWC)


def test_blocks_have_their_own_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    images_NHWC = colored(1).repeat(4, axis=0)
    whole_NHWC = corrupted("speckle_noise", 3, images_NHWC, 0)
    monkeypatch.setattr(cifar10c, "_BLOCK_PIXELS", 2 * 32 * 32)
    blocks_NHWC = corrupted("speckle_noise", 3, images_NHWC, 0)
    np.testing.assert_array_equal(blocks_NHWC[:2], whole_NHWC[:2])
    assert not np.array_equal(blocks_NHWC[2:], blocks_NHWC[:2])
