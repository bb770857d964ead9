from __future__ import annotations

import numpy as np
import torch

from tests.training.analysis.interpret.linear import SIDE, dense, linear_classifier
from tests.training.analysis.interpret.test_methods import small_cnn
from training.analysis.interpret.figures import first_layer_pictures
from training.analysis.interpret.maximize import (
    FourierImages,
    Objective,
    block_layers,
    color_matrix,
    excitations,
    jittered,
    maximize,
    most_variable_channels,
    objective_values,
)

COLORS_CC = np.eye(3, dtype=np.float32)


def test_color_matrix_reproduces_color_correlations() -> None:
    random = np.random.default_rng(0)
    mixed_P3 = 128 + random.normal(size=(4096, 3)) @ np.array([[30.0, 25, 20], [0, 10, 5], [0, 0, 5]])
    images_NHWC = mixed_P3.clip(0, 255).astype(np.uint8).reshape(16, 16, 16, 3)
    matrix_CC = color_matrix(images_NHWC)
    made_P3 = random.normal(size=(20_000, 3)) @ matrix_CC
    np.testing.assert_allclose(np.corrcoef(made_P3.T), np.corrcoef(mixed_P3.T), atol=0.05)
    np.testing.assert_allclose(matrix_CC, matrix_CC.T, atol=1e-6)


def test_fourier_images_start_gray_and_follow_the_seed() -> None:
    images = FourierImages(2, 9, 12, COLORS_CC, seed=3)
    pixels = images()
    assert pixels.shape == (2, 9, 12, 3)
    assert 0.3 < pixels.min() < pixels.max() < 0.7
    assert torch.equal(pixels, FourierImages(2, 9, 12, COLORS_CC, seed=3)())
    assert not torch.equal(pixels, FourierImages(2, 9, 12, COLORS_CC, seed=4)())


def test_fourier_images_limit_contrast() -> None:
    images = FourierImages(1, 16, 16, COLORS_CC, seed=3)
    with torch.no_grad():
        faint = torch.logit(images()).std()
        images.spectrum.mul_(2)
        assert torch.isclose(torch.logit(images()).std(), 2 * faint, rtol=1e-3)
        images.spectrum.mul_(1000)
        assert torch.isclose(torch.logit(images().double()).std(), torch.tensor(1.2).double(), rtol=1e-3)


def test_fourier_scale_falls_with_frequency() -> None:
    scale = FourierImages(1, 32, 32, COLORS_CC, seed=0).scale
    assert scale.shape == (32, 17)
    assert scale[0, 0] == scale.max() == 32
    assert scale[0, 16] == 2


def test_jittered_moves_a_little_and_keeps_uniform_images() -> None:
    random = torch.Generator().manual_seed(0)
    plain = torch.full((6, 16, 16, 3), 0.4)
    assert torch.allclose(jittered(plain, random), plain)
    ramp = torch.linspace(0, 1, 16).expand(64, 16, 16)[..., None].repeat(1, 1, 1, 3)
    seen = jittered(ramp, random)
    mirrored = (seen[:, 8, 12, 0] < seen[:, 8, 3, 0]).float().mean()
    assert 0.25 < mirrored < 0.75
    upright = torch.where((seen[:, 8, 12, 0] < seen[:, 8, 3, 0])[:, None, None, None], seen.flip(2), seen)
    assert (upright - ramp)[:, 4:12, 4:12].abs().max() < 0.35
    assert (upright - ramp).abs().max() > 0.02


def test_maximize_raises_each_logit() -> None:
    classifier, _ = linear_classifier()
    objectives = [Objective(unit) for unit in range(3)]
    start, made = (
        maximize(classifier, objectives, height=SIDE, width=SIDE, colors_CC=COLORS_CC, seed=0, steps=steps)
        for steps in (0, 60)
    )
    logits = [excitations(classifier, torch.from_numpy(each).float() / 255, objectives) for each in (start, made)]
    assert torch.all(logits[1] > logits[0])
    assert made.shape == (3, SIDE, SIDE, 3)
    assert made.dtype == np.uint8
    repeated = maximize(classifier, objectives, height=SIDE, width=SIDE, colors_CC=COLORS_CC, seed=0, steps=60)
    np.testing.assert_array_equal(made, repeated)


def test_maximize_ignores_a_shift_of_all_logits() -> None:
    classifier, _ = linear_classifier()
    # Light raises every logit, the first class most, so that ascent of a single logit would show the first class.
    # The second class is recognized by light above, the third by light below.
    common_K = torch.tensor([1.0, 0.8, 0.8])
    above_P = torch.ones(3, SIDE, SIDE).index_fill(1, torch.arange(SIDE // 2, SIDE), -1).flatten()
    dense(classifier).weight[:] = common_K[:, None] + 0.2 * torch.tensor([0.0, 1, -1])[:, None] * above_P
    dense(classifier).bias[:] = -0.5 * SIDE * SIDE * 3 * common_K
    objectives = [Objective(unit) for unit in range(3)]
    start, made = (
        maximize(classifier, objectives, height=SIDE, width=SIDE, colors_CC=COLORS_CC, seed=0, steps=steps)
        for steps in (0, 60)
    )
    pixels_SHWC = torch.from_numpy(made).float() / 255
    assert classifier(pixels_SHWC).argmax(1).tolist() == [0, 1, 2]
    before = objective_values(classifier, torch.from_numpy(start).float() / 255, objectives)
    assert torch.all(objective_values(classifier, pixels_SHWC, objectives) > before)


def test_objective_of_a_class_is_its_log_odds() -> None:
    classifier, _ = linear_classifier()
    pixels_SHWC = torch.rand((3, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(0))
    objectives = [Objective(unit) for unit in (2, 0, 1)]
    probabilities_S = torch.softmax(classifier(pixels_SHWC).double(), dim=1)[range(3), [2, 0, 1]]
    expected_S = torch.log(probabilities_S / (1 - probabilities_S))
    torch.testing.assert_close(
        objective_values(classifier, pixels_SHWC, objectives).double(), expected_S, rtol=1e-4, atol=1e-5
    )


def test_maximize_raises_channels_of_a_block() -> None:
    classifier = small_cnn().requires_grad_(False)
    blocks = block_layers(classifier, height=SIDE, width=SIDE)
    assert blocks == {"block 1": 0, "block 2": 1}
    sample = torch.rand((20, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(0))
    channels = most_variable_channels(classifier, sample, blocks["block 2"], 2)
    objectives = [Objective(channel, blocks["block 2"]) for channel in channels]
    start, made = (
        maximize(classifier, objectives, height=SIDE, width=SIDE, colors_CC=COLORS_CC, seed=0, steps=steps)
        for steps in (0, 40)
    )
    values = [excitations(classifier, torch.from_numpy(each).float() / 255, objectives) for each in (start, made)]
    assert torch.all(values[1] > values[0])


def test_most_variable_channels_finds_the_changing_one() -> None:
    classifier = small_cnn().requires_grad_(False)
    last = [layer for layer in classifier.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    last.weight[:] = 0
    last.weight[3] = 1
    sample = torch.rand((20, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(0))
    assert most_variable_channels(classifier, sample, 1, 1) == [3]


def test_first_layer_pictures_show_zero_as_gray() -> None:
    classifier, weights_KHWC = linear_classifier()
    dense(classifier).weight[0] = 0
    pictures = first_layer_pictures(classifier, height=SIDE, width=SIDE, count=9)
    assert pictures.shape == (3, SIDE, SIDE, 3)
    assert np.all(pictures[2] == 128)  # the weakest comes last
    strongest = weights_KHWC[1:][np.argmax(np.linalg.norm(weights_KHWC[1:].reshape(2, -1), axis=1))]
    expected = np.rint(127.5 + 127.5 * strongest / np.abs(strongest).max())
    np.testing.assert_allclose(pictures[0], expected, atol=1)
    pictures = first_layer_pictures(small_cnn(), height=SIDE, width=SIDE, count=9)
    assert pictures.shape == (4, 3, 3, 3)
