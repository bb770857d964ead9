"""Dense layer on the features of a frozen backbone: optimum, penalty, views, balanced classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from core.recipes import BackboneNetwork, RecipeConfig, recipe_config
from tests.support.training_runs import CPU, small_images
from training.augment.batches import Batches
from training.data.preprocessing import one_hot
from training.data.types import LabelledImages
from training.fit import backbone_head
from training.fit.backbone_head import Floats, Rows, fit_head, image_weights, solve, views_per_image
from training.fit.dtype import autocast
from training.networks import Classifier, build_classifier, initialize
from training.networks.efficientnet import MEAN, STD

CLASSES = 10


def config(**overrides: object) -> RecipeConfig:
    return recipe_config("photo").with_overrides({"network.views": 1, "augmentation.translate": 2, **overrides})


def images() -> LabelledImages:
    return small_images(per_class_train=8).part("train")


def fitted(settings: RecipeConfig, part: LabelledImages) -> tuple[Classifier, int, float]:
    """A random network with a fitted last layer, the number of progress calls, and the penalty."""
    network = settings.network
    assert isinstance(network, BackboneNetwork)
    classifier = build_classifier(network, height=32, width=32, classes=CLASSES, mean=MEAN, std=STD)
    initialize(classifier, torch.Generator().manual_seed(0))
    batches = Batches(
        part, CLASSES, settings, fill_C=classifier.mean_color,
        mirrored_N=torch.zeros(len(part), dtype=torch.bool), teacher=None, device=CPU,
    )  # fmt: skip
    calls: list[None] = []
    penalty = fit_head(
        classifier, batches, settings, network, labels_N=part.labels_N,
        draw=torch.Generator().manual_seed(0), autocast=lambda: autocast(CPU, "float32"),
        progress=lambda: calls.append(None),
    )  # fmt: skip
    return classifier.eval(), len(calls), penalty


def test_only_the_last_layer_changes_and_learns_the_images() -> None:
    part = images()
    settings = config(batch_size=20)
    before = build_classifier(settings.network, height=32, width=32, classes=CLASSES, mean=MEAN, std=STD)
    initialize(before, torch.Generator().manual_seed(0))
    classifier, calls, penalty = fitted(settings, part)
    changed = {name for name, tensor in classifier.state_dict().items() if not tensor.equal(before.state_dict()[name])}
    assert changed == {"network.head.weight", "network.head.bias"}
    assert calls == -(-len(part) // 20)
    assert penalty in backbone_head.PENALTIES
    with torch.no_grad():
        logits_NK = classifier(torch.from_numpy(part.images_NHWC).float() / 255)
    assert (logits_NK.argmax(1).numpy() == part.labels_N).mean() > 0.9


def test_optimum_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels_M = np.arange(60) % 3
    features_MF = (random.normal(size=(60, 5)) + labels_M[:, None]).astype(np.float32)
    weight_M = np.where(labels_M == 0, 2.0, 0.5).astype(np.float32)
    penalty = 0.02
    head = solve(Rows(features_MF, one_hot(labels_M, 3), weight_M), penalty)
    sklearn = LogisticRegression(C=1 / (penalty * weight_M.sum()), max_iter=10_000, tol=1e-10)
    expected = sklearn.fit(features_MF, labels_M, sample_weight=weight_M)
    np.testing.assert_allclose(head[:, :-1], expected.coef_, atol=2e-3)
    bias_K = head[:, -1] - head[:, -1].mean()  # a constant for all classes changes nothing
    np.testing.assert_allclose(bias_K, expected.intercept_ - expected.intercept_.mean(), atol=2e-3)


def test_head_includes_centering_and_scaling_of_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits on the features themselves equal those of the solution on centered, scaled features."""
    solutions: list[tuple[Rows, Floats]] = []

    def recorded(rows: Rows, penalty: float, start_KF1: Floats | None = None) -> Floats:
        solutions.append((rows, solve(rows, penalty, start_KF1)))
        return solutions[-1][1]

    monkeypatch.setattr(backbone_head, "solve", recorded)
    part = images()
    classifier, _, _ = fitted(config(**{"network.views": 0, "batch_size": 1000}), part)
    rows, head_KF1 = solutions[-1]
    assert np.square(rows.features_MF).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(rows.features_MF.mean(axis=0), 0, atol=1e-5)
    with torch.no_grad():
        logits_NK = classifier(torch.from_numpy(part.images_NHWC).float() / 255)
    expected_NK = rows.features_MF @ head_KF1[:, :-1].T + head_KF1[:, -1]
    np.testing.assert_allclose(logits_NK, expected_NK, rtol=1e-2, atol=1e-2)


def test_useless_features_get_the_strongest_penalty() -> None:
    part = images()
    shuffled = replace(part, labels_N=np.random.default_rng(0).permutation(part.labels_N))
    assert fitted(config(), shuffled)[2] == max(backbone_head.PENALTIES)


def test_balanced_sampling_gives_classes_the_same_weight() -> None:
    labels_N = np.array([0, 0, 0, 1])
    assert image_weights(labels_N, balanced=False).tolist() == [1, 1, 1, 1]
    weight_N = image_weights(labels_N, balanced=True)
    assert weight_N.mean() == pytest.approx(1)
    assert weight_N[:3].sum() == pytest.approx(weight_N[3])


def test_views_are_limited_for_many_images() -> None:
    network = BackboneNetwork(views=8)
    assert views_per_image(network, 90) == 8
    assert views_per_image(network, 10_000) == 4
    assert views_per_image(network, 100_000) == 0
