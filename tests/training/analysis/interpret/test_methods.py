from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import ConfigurationError
from core.recipes import CNNNetwork
from tests.training.analysis.interpret.linear import CLASSES, SIDE, linear_classifier, pixels
from training.analysis.interpret.methods import applicable_methods, attribute, feature_layers, is_flat, target_class
from training.networks import Classifier, build_classifier

TARGET_N = np.array([0, 1, 2, 1, 0])


def small_cnn() -> Classifier:
    torch.manual_seed(0)
    network = CNNNetwork(kind="cnn", channels=(4, 6), convolutions=1, hidden=(8,))
    return build_classifier(network, height=SIDE, width=SIDE, classes=CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3).eval()


def test_gradients_of_a_linear_network_are_its_weights() -> None:
    classifier, weights_KHWC = linear_classifier()
    expected_NHW = np.abs(weights_KHWC[TARGET_N]).max(axis=-1)
    for method in ("saliency", "smoothgrad"):
        np.testing.assert_allclose(attribute(method, classifier, pixels(), TARGET_N), expected_NHW, rtol=1e-4)


def test_signed_methods_of_a_linear_network_agree() -> None:
    classifier, weights_KHWC = linear_classifier()
    expected_NHW = (weights_KHWC[TARGET_N] * pixels()).sum(axis=-1)
    for method in ("input_x_gradient", "integrated_gradients"):
        np.testing.assert_allclose(attribute(method, classifier, pixels(), TARGET_N), expected_NHW, atol=1e-5)


def test_occlusion_of_single_pixels_is_their_contribution() -> None:
    classifier, weights_KHWC = linear_classifier()
    expected_NHW = (weights_KHWC[TARGET_N] * pixels()).sum(axis=-1)  # 8 pixels a side: windows of one
    np.testing.assert_allclose(attribute("occlusion", classifier, pixels(), TARGET_N), expected_NHW, atol=1e-5)


def test_integrated_gradients_are_complete() -> None:
    classifier = small_cnn()
    maps_NHW = attribute("integrated_gradients", classifier, pixels(), TARGET_N)
    with torch.no_grad():
        logits_NK = classifier(torch.from_numpy(pixels())) - classifier(torch.zeros(1, SIDE, SIDE, 3))
    expected_N = logits_NK.numpy()[np.arange(5), TARGET_N]
    np.testing.assert_allclose(maps_NHW.sum(axis=(1, 2)), expected_N, atol=0.05 * np.abs(expected_N).max())


def test_grad_cam_is_the_weighted_sum_of_feature_maps() -> None:
    classifier = small_cnn()
    (_, layer) = feature_layers(classifier, torch.from_numpy(pixels()))[-1]
    kept: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: kept.append(output))
    logits_NK = classifier(torch.from_numpy(pixels()).requires_grad_())
    hook.remove()
    (gradient,) = torch.autograd.grad(logits_NK[np.arange(5), TARGET_N].sum(), kept)
    coarse = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True))
    expected = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    maps_NHW = attribute("grad_cam", classifier, pixels(), TARGET_N)
    np.testing.assert_allclose(maps_NHW, expected.detach().numpy(), atol=1e-6)


def test_grad_cam_needs_feature_maps() -> None:
    assert "grad_cam" not in applicable_methods(linear_classifier()[0])
    assert "grad_cam" in applicable_methods(small_cnn())


def test_smoothgrad_uses_its_own_seed() -> None:
    classifier = small_cnn()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again = (attribute("smoothgrad", classifier, pixels(), TARGET_N, seed=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert np.any(first != attribute("smoothgrad", classifier, pixels(), TARGET_N, seed=2))


def test_target_class_unknown_lists_the_classes() -> None:
    assert target_class("dog", ("cat", "dog")) == 1
    with pytest.raises(ConfigurationError, match="unknown class 'horse': choose one of cat, dog"):
        target_class("horse", ("cat", "dog"))


@pytest.mark.parametrize(("values", "flat"), [(0.0, True), (7.0, True), (None, False)])
def test_is_flat_of_constant_maps(values: float | None, flat: bool) -> None:
    map_HW = np.random.default_rng(0).random((4, 4)) if values is None else np.full((4, 4), values)
    assert is_flat(map_HW) is flat
