from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from core.repository.graph_records import Calibration
from training.evaluation import ood
from training.evaluation.ood import ood_images, score_ood

TEST_NHWC = np.random.default_rng(3).integers(0, 256, size=(20, 16, 24, 3), dtype=np.uint8)


def test_ood_images_match_their_kind_and_are_reproducible() -> None:
    kinds = ood_images(TEST_NHWC)
    again = ood_images(TEST_NHWC)
    assert list(kinds) == ["noise", "textures", "flat", "shuffled", "digits", "binary", "text", "photographs"]
    for kind, images_NHWC in kinds.items():
        assert images_NHWC.shape == TEST_NHWC.shape
        assert images_NHWC.dtype == np.uint8
        assert (images_NHWC == again[kind]).all()
        assert len({image.tobytes() for image in images_NHWC}) == 20
    assert (kinds["flat"] == kinds["flat"][:, :1, :1]).all()
    ordered = np.sort(kinds["shuffled"].reshape(20, -1, 3).view("u1,u1,u1"), axis=1)
    assert (ordered == np.sort(TEST_NHWC.reshape(20, -1, 3).view("u1,u1,u1"), axis=1)).all()
    assert not (kinds["shuffled"] == TEST_NHWC).all(axis=(1, 2, 3)).any()
    textures = kinds["textures"].astype(float)
    assert (textures.min(axis=(1, 2)) == 0).all()
    assert (textures.max(axis=(1, 2)) == 255).all()
    steps = [np.abs(np.diff(kinds[kind].astype(float), axis=2)).mean() for kind in ("textures", "noise")]
    assert steps[0] < 0.5 * steps[1]


def test_ood_images_are_limited_in_number() -> None:
    many = np.zeros((2_100, 4, 4, 3), np.uint8)
    counts = {kind: len(images) for kind, images in ood_images(many).items()}
    assert counts == {
        "noise": 2_000, "textures": 2_000, "flat": 2_000, "shuffled": 2_000, "digits": 1_797, "binary": 2_000,
        "text": 2_000, "photographs": 300,
    }  # fmt: skip


def test_binary_images_are_black_and_white_in_equal_parts() -> None:
    binary_NHWC = ood_images(TEST_NHWC)["binary"]
    assert set(np.unique(binary_NHWC)) == {0, 255}
    assert (binary_NHWC == binary_NHWC[..., :1]).all()
    assert binary_NHWC.mean() / 255 == pytest.approx(0.5, abs=0.03)


def test_text_has_two_colors_of_opposite_brightness_and_strokes() -> None:
    text_NHWC = ood_images(TEST_NHWC)["text"]
    gray_NP = text_NHWC.mean(axis=-1).reshape(20, -1)
    assert (gray_NP.min(axis=1) < 90).all()
    assert (gray_NP.max(axis=1) > 165).all()
    ink_N = np.minimum((gray_NP < 128).mean(axis=1), (gray_NP >= 128).mean(axis=1))
    assert 0.05 < ink_N.mean() < 0.45


def test_photographs_are_smooth_crops_of_three_images() -> None:
    parts_NHWC = ood_images(TEST_NHWC)["photographs"].astype(float)
    assert np.abs(np.diff(parts_NHWC, axis=2)).mean() < 25  # 85 for noise
    reds_P = [parts_NHWC[start::3, ..., 0].mean() - parts_NHWC[start::3, ..., 2].mean() for start in range(3)]
    assert len({round(red) for red in reds_P}) == 3


def test_digits_are_white_on_black_in_the_test_size() -> None:
    digits_NHWC = ood_images(TEST_NHWC)["digits"]
    assert digits_NHWC.shape == (20, 16, 24, 3)
    assert (digits_NHWC == digits_NHWC[..., :1]).all()
    assert digits_NHWC[:, :, 0].mean() < 40  # black margin on the left
    small_N88 = digits_NHWC.reshape(20, 8, 2, 8, 3, 3).mean(axis=(2, 4, 5))
    expected_N88 = load_digits().images[:20] * (255 / 16)
    assert np.corrcoef(small_N88.ravel(), expected_N88.ravel())[0, 1] > 0.95


def test_score_ood_compares_with_the_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = Calibration(
        temperature=1.0, coverage=0.99, conformal_threshold=0.1, ood_threshold=-5.0, ood_flag_rate=0.05
    )
    # The energy is about minus the largest logit: -9 for test images, -3 for flat ones, both for the other kinds.
    flat = ood_images(TEST_NHWC)["flat"]

    def answer(_: Path, images_NHWC: np.ndarray, *, threads: int) -> np.ndarray:
        one_color = bool((images_NHWC == flat).all())
        logits_NK = np.zeros((len(images_NHWC), 3), np.float32)
        logits_NK[:, 0] = 3 if one_color else np.where(np.arange(len(images_NHWC)) % 2, 3, 9)
        return logits_NK

    monkeypatch.setattr(ood, "predict_logits", answer)
    test_logits_NK = np.tile(np.array([9, 0, 0], np.float32), (20, 1))
    found = score_ood(Path("graph"), test_logits_NK, ood_images(TEST_NHWC), calibration, threads=1)
    assert {one.kind: (one.auroc.value, one.flag_rate) for one in found} == {
        "noise": (0.75, 0.5), "textures": (0.75, 0.5), "flat": (1.0, 1.0), "shuffled": (0.75, 0.5),
        "digits": (0.75, 0.5), "binary": (0.75, 0.5), "text": (0.75, 0.5), "photographs": (0.75, 0.5),
    }  # fmt: skip
    assert {one.images for one in found} == {20}
