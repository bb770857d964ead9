from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from training.corruptions import blur, cifar10c, digital, noise, weather
from training.corruptions.cifar10c import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES, corrupted

Floats = npt.NDArray[np.float64]


def random() -> np.random.Generator:
    return np.random.default_rng(3)


def gray(value: float, images: int = 1, side: int = 32) -> Floats:
    return np.full((images, side, side, 3), value)


def point(side: int = 33) -> Floats:
    image_NHWC = np.zeros((1, side, side, 3))
    image_NHWC[0, side // 2, side // 2] = 1
    return image_NHWC


def pictures() -> npt.NDArray[np.uint8]:
    """Smooth images with edges, uint8 [6, 32, 32, 3]."""
    rows, columns = np.mgrid[0:32, 0:32]
    waves = [127 + 90 * np.sin((rows * k + columns * (6 - k)) / 9) * (columns > 8) for k in range(6)]
    return np.stack(waves).astype(np.uint8)[..., None].repeat(3, axis=-1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_reproducible_at_five_severities(name: str) -> None:
    images_NHWC = pictures()
    assert len(CORRUPTIONS[name].severities) == 5
    for severity in SEVERITIES:
        changed_NHWC = corrupted(name, severity, images_NHWC, 0)
        assert changed_NHWC.dtype == np.uint8
        assert changed_NHWC.shape == images_NHWC.shape
        assert np.any(changed_NHWC != images_NHWC)
        np.testing.assert_array_equal(changed_NHWC, corrupted(name, severity, images_NHWC, 0))
    assert images_NHWC.tobytes() == pictures().tobytes()


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "contrast", "brightness", "fog"])
def test_higher_severities_change_more(name: str) -> None:
    changes = [
        np.abs(corrupted(name, severity, pictures(), 0).astype(int) - pictures().astype(int)).mean()
        for severity in SEVERITIES
    ]
    assert changes == sorted(changes)


def test_noise_differs_by_image_severity_and_seed() -> None:
    images_NHWC = pictures()[:1].repeat(2, axis=0)
    first = corrupted("gaussian_noise", 1, images_NHWC, 0)
    assert np.any(first[0] != first[1])
    assert np.any(first != corrupted("gaussian_noise", 1, images_NHWC, 1))


def test_random_streams_are_those_of_the_published_figures() -> None:
    """Records of shipped versions were measured with these numbers; a reordered table keeps them."""
    streams = {name: each.stream for name, each in {**CORRUPTIONS, **EXTRA_CORRUPTIONS}.items()}
    assert [name for name, _ in sorted(streams.items(), key=lambda item: item[1])] == [
        "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
        "snow", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
        "speckle_noise", "gaussian_blur", "spatter", "saturate",
    ]  # fmt: skip
    assert sorted(streams.values()) == list(range(18))


def test_random_numbers_do_not_depend_on_the_order_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    before = corrupted("fog", 3, pictures(), 0)
    monkeypatch.setattr(cifar10c, "CORRUPTIONS", dict(reversed(list(CORRUPTIONS.items()))))
    np.testing.assert_array_equal(corrupted("fog", 3, pictures(), 0), before)


def test_gaussian_noise_has_its_deviation() -> None:
    noisy = noise.gaussian_noise(gray(0.5, 8), random(), 0.1)
    assert noisy.std() == pytest.approx(0.1, rel=0.02)
    assert noisy.mean() == pytest.approx(0.5, abs=0.01)


def test_shot_noise_has_the_variance_of_counted_photons() -> None:
    noisy = noise.shot_noise(gray(0.5, 8), random(), 50)
    assert noisy.mean() == pytest.approx(0.5, abs=0.01)
    assert noisy.var() == pytest.approx(0.5 / 50, rel=0.05)


def test_impulse_noise_replaces_its_share_half_of_it_white() -> None:
    noisy = noise.impulse_noise(gray(0.5, 16), random(), 0.07)
    assert np.mean(noisy == 1) == pytest.approx(0.035, abs=0.003)
    assert np.mean(noisy == 0) == pytest.approx(0.035, abs=0.003)
    assert set(np.unique(noisy)) == {0, 0.5, 1}


@pytest.mark.parametrize(
    "blurred",
    [
        lambda images: blur.defocus_blur(images, random(), 1.5, 0.1),
        lambda images: blur.motion_blur(images, random(), 9, 2.5),
        lambda images: blur.zoom_blur(images, random(), 1.26),
        lambda images: blur.glass_blur(images, random(), 0.4, 1, 2),
    ],
)
def test_blur_keeps_a_plain_image(blurred: Callable[[Floats], Floats]) -> None:
    image_NHWC = gray(102 / 255)
    np.testing.assert_allclose(blurred(image_NHWC), image_NHWC, atol=1e-9)


def test_defocus_spreads_a_point_over_a_disk_of_its_radius() -> None:
    spread_HW = blur.defocus_blur(point(), random(), 1.0, 0.05)[0, :, :, 0]
    expected_HW = np.zeros((33, 33))
    expected_HW[[16, 15, 17, 16, 16], [16, 16, 16, 15, 17]] = 0.2  # the center and its four neighbors
    np.testing.assert_allclose(spread_HW, expected_HW, atol=1e-9)


def test_motion_blur_is_half_a_gaussian_in_its_direction() -> None:
    trail_HW = blur.moved(point(), np.array([0.0]), 2, 1.0)[0, :, :, 0]
    weights = np.exp(-(np.arange(5) ** 2) / 2)
    # pixels are taken from the right, so the trail points to the left
    np.testing.assert_allclose(trail_HW[16, 12:17], (weights / weights.sum())[::-1], atol=1e-12)
    assert trail_HW.sum() == pytest.approx(1)
    down_HW = blur.moved(point(), np.array([90.0]), 2, 1.0)[0, :, :, 0]
    np.testing.assert_allclose(down_HW, trail_HW.T, atol=1e-12)


def test_glass_takes_pixels_from_the_upper_left_only() -> None:
    image_NHWC = point()
    moved_HW = blur.glass_blur(image_NHWC, random(), 0.01, 1, 1)[0, :, :, 0]
    assert set(zip(*np.nonzero(moved_HW), strict=True)) <= {(r, c) for r in range(16, 33) for c in range(16, 33)}


def test_zoomed_by_1_and_by_2() -> None:
    image_NHWC = np.random.default_rng(0).random((1, 32, 32, 3))
    np.testing.assert_allclose(blur.zoomed(image_NHWC, 1.0), image_NHWC)
    large_NHWC = blur.zoomed(image_NHWC, 2.0)
    np.testing.assert_allclose(large_NHWC[0, 0, 0], image_NHWC[0, 8, 8])
    np.testing.assert_allclose(large_NHWC[0, -1, -1], image_NHWC[0, 23, 23])


def test_contrast_keeps_its_share_and_the_mean() -> None:
    image_NHWC = np.random.default_rng(0).random((2, 8, 8, 3))
    flat_NHWC = weather.contrast(image_NHWC, random(), 0.3)
    np.testing.assert_allclose(flat_NHWC.mean(axis=(1, 2)), image_NHWC.mean(axis=(1, 2)))
    np.testing.assert_allclose(flat_NHWC.std(axis=(1, 2)), 0.3 * image_NHWC.std(axis=(1, 2)))


def test_brightness_raises_the_largest_channel_and_keeps_the_hue() -> None:
    image_NHWC = np.array([0.5, 0.25, 0.1]).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(weather.brightness(image_NHWC, random(), 0.25)[0, 0, 0], [0.75, 0.375, 0.15])
    np.testing.assert_allclose(weather.brightness(image_NHWC, random(), 0.9)[0, 0, 0], [1.0, 0.5, 0.2])
    np.testing.assert_allclose(weather.brightness(gray(0.0), random(), 0.3), 0.3)


def test_plasma_spans_the_range_and_follows_roughness() -> None:
    smooth_NHW, rough_NHW = (weather.plasma(4, 32, roughness, random()) for roughness in (3.0, 1.5))
    for clouds_NHW in (smooth_NHW, rough_NHW):
        np.testing.assert_allclose(clouds_NHW.min(axis=(1, 2)), 0)
        np.testing.assert_allclose(clouds_NHW.max(axis=(1, 2)), 1)
    steps = [np.abs(np.diff(clouds_NHW, axis=2)).mean() for clouds_NHW in (smooth_NHW, rough_NHW)]
    assert steps[0] < steps[1]


def test_fog_keeps_the_brightest_value_and_black() -> None:
    foggy = weather.fog(pictures() / 255, random(), 0.5, 3)
    assert np.all(foggy.max(axis=(1, 2, 3)) <= (pictures() / 255).max(axis=(1, 2, 3)) + 1e-9)
    np.testing.assert_array_equal(weather.fog(gray(0), random(), 0.5, 3), gray(0))


def test_elastic_without_strength_and_skew_is_the_identity() -> None:
    image_NHWC = np.random.default_rng(0).random((2, 32, 32, 3))
    np.testing.assert_allclose(digital.elastic_transform(image_NHWC, random(), 0, 0.1, 0), image_NHWC, atol=1e-9)


def test_skewed_moves_its_three_points() -> None:
    # The values of the image are its coordinates, so they show the source of each pixel.
    rows, columns = np.mgrid[0:32, 0:32] / 31
    image_NHWC = np.stack([rows, columns, rows], axis=-1)[None]
    source = random()
    moved_to_32 = np.array([[26, 26], [6, 26], [6, 6]]) + np.random.default_rng(3).uniform(-2, 2, size=(1, 3, 2))[0]
    skewed_HWC = digital._skewed(image_NHWC, source, 2.0)[0]
    for (row, column), before in zip(moved_to_32, [(26, 26), (6, 26), (6, 6)], strict=True):
        near = skewed_HWC[round(row), round(column), :2] * 31
        np.testing.assert_allclose(near, before, atol=1.0)


def test_pixelate_and_jpeg_match_pillow() -> None:
    image = Image.fromarray(pictures()[0])
    small = image.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    np.testing.assert_array_equal(corrupted("pixelate", 5, pictures()[:1], 0)[0], np.asarray(small))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    np.testing.assert_array_equal(
        corrupted("jpeg_compression", 5, pictures()[:1], 0)[0], np.asarray(Image.open(stream))
    )
