import numpy as np
import pytest

from core.images.tta_views import VIEW_WEIGHTS, averaged, views

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)


def test_views_are_six_with_every_second_mirrored() -> None:
    pictures = views(IMAGES)
    assert [picture.shape for picture in pictures] == [IMAGES.shape] * 6
    np.testing.assert_array_equal(pictures[0], IMAGES)
    for plain, mirrored in zip(pictures[::2], pictures[1::2], strict=True):
        np.testing.assert_array_equal(plain[:, :, ::-1], mirrored)


def test_views_shift_by_one_pixel_with_reflection() -> None:
    _, _, down, _, up, _ = views(IMAGES)
    np.testing.assert_array_equal(down[:, 1:, 1:], IMAGES[:, :-1, :-1])
    np.testing.assert_array_equal(down[:, 0, 1:], IMAGES[:, 1, :-1])
    np.testing.assert_array_equal(up[:, :-1, :-1], IMAGES[:, 1:, 1:])
    np.testing.assert_array_equal(up[:, :-1, -1], IMAGES[:, 1:, -2])


def test_averaged_weights_unshifted_views_twice() -> None:
    answers = [np.full((2, 4), value, dtype=np.float32) for value in (8, 0, 16, 0, 0, 0)]
    np.testing.assert_array_equal(averaged(answers), np.full((2, 4), 2 + 2, dtype=np.float32))
    assert averaged(answers).dtype == np.float32
    assert sum(VIEW_WEIGHTS) == 1.0


def test_averaged_needs_logits_of_every_view() -> None:
    with pytest.raises(ValueError, match="zip"):
        averaged([np.zeros((1, 2), dtype=np.float32)] * 5)
