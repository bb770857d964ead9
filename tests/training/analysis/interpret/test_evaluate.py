from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from core.statistics.intervals import ConfidenceInterval
from tests.training.analysis.interpret.linear import SIDE, dense, linear_classifier, pixels
from tests.training.analysis.interpret.test_methods import small_cnn
from training.analysis.interpret.checks import checks
from training.analysis.interpret.controls import CONTROLS, center_map, image_controls
from training.analysis.interpret.evaluate import SEED, evaluate_method, sensitivity
from training.analysis.interpret.methods import attribute
from training.analysis.interpret.randomization import (
    cascade,
    correlations_with_others,
    layers_in_order,
    rank_correlations,
)
from training.analysis.interpret.removal import area, removal_curves
from training.analysis.interpret.subject import Subject


def subject(classifier: torch.nn.Module, images: int = 24) -> Subject:
    shown_NHWC = pixels(images)
    with torch.no_grad():
        target_N = classifier(torch.from_numpy(shown_NHWC)).argmax(1).numpy()
    few = np.arange(8)
    return Subject(classifier, shown_NHWC, target_N, few, (0.5, 0.5, 0.5), 1.0)  # type: ignore[arg-type]


def test_rank_correlations_are_spearman_of_absolute_values() -> None:
    random = np.random.default_rng(0)
    first_NHW, second_NHW = random.normal(size=(2, 3, 4, 4))
    expected = [
        spearmanr(np.abs(a).ravel(), np.abs(b).ravel()).statistic for a, b in zip(first_NHW, second_NHW, strict=True)
    ]
    np.testing.assert_allclose(rank_correlations(first_NHW, second_NHW), expected)
    np.testing.assert_allclose(rank_correlations(first_NHW, -first_NHW), 1)
    assert rank_correlations(np.ones((1, 4, 4)), second_NHW[:1]).tolist() == [0]


def test_correlations_with_others_are_means_over_all_other_maps() -> None:
    maps_NHW = np.random.default_rng(0).normal(size=(4, 3, 5))
    expected = [
        np.mean([rank_correlations(maps_NHW[i : i + 1], maps_NHW[j : j + 1])[0] for j in range(4) if j != i])
        for i in range(4)
    ]
    np.testing.assert_allclose(correlations_with_others(maps_NHW), expected)
    np.testing.assert_allclose(correlations_with_others(maps_NHW[:1]), 0, atol=1e-12)


def test_cascade_reinitializes_from_last_to_first() -> None:
    classifier = small_cnn()
    before = {name: weight.clone() for name, weight in classifier.state_dict().items()}
    order = layers_in_order(classifier, height=SIDE, width=SIDE)
    changed: list[set[str]] = []
    names = []
    for name, network in cascade(classifier, height=SIDE, width=SIDE, seed=0):
        names.append(name)
        weights = network.state_dict()
        changed.append(
            {layer for layer in order if not torch.equal(weights[f"{layer}.weight"], before[f"{layer}.weight"])}
        )
    convolved_or_dense = [name for name in order if before[f"{name}.weight"].dim() > 1]
    assert names == convolved_or_dense[::-1]
    for earlier, later in pairwise(changed):
        assert earlier < later
    assert changed[-1] >= set(convolved_or_dense)
    assert all(torch.equal(weight, before[name]) for name, weight in classifier.state_dict().items())


def test_cascade_follows_the_seed() -> None:
    def last(seed: int) -> torch.Tensor:
        *_, (_, network) = cascade(small_cnn(), height=SIDE, width=SIDE, seed=seed)
        return next(network.parameters()).clone()

    assert torch.equal(last(1), last(1))
    assert not torch.equal(last(1), last(2))


def test_sensitivity_of_a_linear_network() -> None:
    classifier, _ = linear_classifier()
    shown = subject(classifier)
    for method, low, high in (("saliency", 0.0, 1e-5), ("input_x_gradient", 1e-3, 0.1)):
        maps_NHW = attribute(method, classifier, shown.pixels_NHWC, shown.target_N)  # type: ignore[arg-type]
        found_F = sensitivity(method, shown, maps_NHW[shown.few])  # type: ignore[arg-type]
        assert low <= found_F.min()
        assert found_F.max() <= high


def test_exact_explanation_passes_with_intervals() -> None:
    classifier, _ = linear_classifier()
    dense(classifier).weight.mul_(20)  # so that probabilities move far
    measured = evaluate_method("integrated_gradients", subject(classifier))
    assert {check.name: check.passed for check in measured.checks}["insertion"]
    assert measured.insertion_gain is not None
    assert measured.insertion_gain.low > 0
    assert measured.insertion_curve is not None
    assert measured.insertion_curve.probability[-1] == pytest.approx(measured.insertion_curve.random[-1])
    assert len(measured.cascade) == 1


def test_gain_is_that_over_the_strongest_control() -> None:
    classifier, _ = linear_classifier()
    dense(classifier).weight.mul_(20)
    shown = subject(classifier)
    measured = evaluate_method("integrated_gradients", shown)
    maps_NHW = attribute("integrated_gradients", classifier, shown.pixels_NHWC, shown.target_N)
    controls = image_controls(maps_NHW, shown.target_N, np.random.default_rng(SEED))
    orders = [*controls.values(), np.broadcast_to(center_map(SIDE, SIDE), maps_NHW.shape)]
    curves = removal_curves(shown.probability(np.ones(24, np.bool_)), *shown.deletion, orders)
    areas = {name: area(curve_NS).mean() for name, curve_NS in zip(CONTROLS, curves, strict=True)}
    assert measured.deletion is not None
    assert measured.deletion_gain is not None
    assert {each.control: each.gain.value for each in measured.deletion_controls} == pytest.approx(
        {name: value - measured.deletion.value for name, value in areas.items()}
    )
    strongest = min(areas, key=areas.__getitem__)
    assert measured.strongest_controls[0] == strongest
    gain = areas[strongest] - measured.deletion.value
    assert measured.deletion_gain.value == pytest.approx(gain)
    assert measured.checks[0].reason.startswith(f"gain of {gain:+.3f} (95 % interval")
    assert measured.deletion_curve is not None
    assert measured.deletion_curve.random == pytest.approx(curves[0].mean(axis=0).tolist())


def test_centered_objects_pass_against_moved_maps_only() -> None:
    """A map that marks the center of every image is no better than the controls that do the same."""
    classifier, _ = linear_classifier()
    weights_HW = np.exp(center_map(SIDE, SIDE) / 8).astype(np.float32)
    dense(classifier).weight.zero_()
    dense(classifier).weight[0] = torch.from_numpy(np.tile(weights_HW.ravel(), 3))
    dense(classifier).bias[:] = torch.tensor([-15.0, 0, 0])
    shown = dataclasses.replace(subject(classifier), color_C=(0.0, 0.0, 0.0))
    assert (shown.target_N == 0).all()
    measured = evaluate_method("saliency", shown)
    assert measured.deletion_controls[0].control == "moved"
    assert measured.deletion_controls[0].gain.low > 0
    for controls in (measured.deletion_controls, measured.insertion_controls):
        gains = {each.control: each.gain for each in controls}
        for kept_position in ("other_image", "mean_map", "center"):
            assert gains[kept_position].value == pytest.approx(0, abs=1e-9)
    assert {"deletion", "insertion"} <= set(measured.failed)


def test_similarity_above_other_images_fails_randomization() -> None:
    classifier, _ = linear_classifier()
    measured = evaluate_method("saliency", subject(classifier))
    assert measured.other_images is not None
    assert measured.excess is not None
    last = measured.cascade[-1].correlation
    assert measured.excess.value == pytest.approx(last.value - measured.other_images.value)
    assert "randomisation" not in measured.failed
    alike = measured.model_copy(
        update={"other_images": last, "excess": ConfidenceInterval(value=0.01, low=0.005, high=0.02)}
    )
    assert [check.passed for check in checks(alike)][-1] is False
    undecided = alike.model_copy(update={"excess": ConfidenceInterval(value=0.01, low=-0.01, high=0.03)})
    assert [check.passed for check in checks(undecided)][-1] is False


def test_maps_independent_of_weights_fail_randomisation() -> None:
    classifier, _ = linear_classifier()
    bright = subject(classifier)
    # An edge that outweighs every weight: input times gradient shows the image, whatever was learned.
    edge_NHWC = np.full_like(bright.pixels_NHWC, 1e-6)
    edge_NHWC[:, :, 4:] = np.geomspace(1e-4, 1, 32, dtype=np.float32).reshape(8, 4)[None, :, :, None]
    shown = Subject(classifier, edge_NHWC, bright.target_N, bright.few, (0.5, 0.5, 0.5), 1.0)
    failing = evaluate_method("input_x_gradient", shown)
    assert "randomisation" in failing.failed
    assert "randomisation" not in evaluate_method("saliency", shown).failed


def test_flat_maps_are_counted_and_fail_all_checks() -> None:
    classifier, _ = linear_classifier()
    dense(classifier).weight.zero_()
    measured = evaluate_method("saliency", subject(classifier))
    assert (measured.flat, measured.images) == (24, 0)
    assert measured.deletion is None
    assert measured.failed == ("deletion", "insertion", "randomisation")
    assert all(check.reason == "every map is flat" for check in measured.checks)


@pytest.mark.parametrize(("few", "useful"), [([0, 1, 2, 3], [0, 2]), ([1, 3], [0, 2])])
def test_flat_maps_are_left_out_of_sensitivity_and_cascade(few: list[int], useful: list[int]) -> None:
    classifier, _ = linear_classifier()
    dense(classifier).weight[1].zero_()
    shown = dataclasses.replace(subject(classifier), target_N=np.arange(24) % 2, few=np.array(few))
    measured = evaluate_method("input_x_gradient", shown)
    assert (measured.flat, measured.images) == (12, 12)
    others = evaluate_method("input_x_gradient", dataclasses.replace(shown, few=np.array(useful)))
    assert measured.sensitivity == others.sensitivity
    assert measured.cascade == others.cascade
