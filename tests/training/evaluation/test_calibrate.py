"""Class biases: cross-validation, bias of the last layer, and effect on all files of a version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from core.errors import ExportError
from core.repository.graph_records import ClassBiasRecord
from core.repository.manifest import CARD_NAME, GRAPHS, Manifest
from core.repository.repository import ModelRepository
from core.statistics.calibration import fit_biases, log_loss, softmax
from tests.support.training_runs import (
    CPU,
    RecordingReporter,
    let_int8_fail,
    let_int8_pass,
    small_fit,
    small_images,
    small_recipe,
)
from training.data.split_dataset import Images
from training.evaluation.calibrate import calibration_targets, debias, decide, stratified_folds, with_biases
from training.evaluation.reproduce import disagreements, evaluate_version, published_evaluation
from training.export.run_onnx import network_logits, predict_logits
from training.fit.hints import last_dense
from training.networks import Classifier
from training.pipeline.train import new_classifier
from training.publish.publish import Origin, publish_version
from training.publish.republish import republish
from training.run.checkpoint import EpochRecord
from training.run.environment import environment_record, source_digest

pytestmark = pytest.mark.slow

HISTORY = (EpochRecord(1, 1.0, 0.5, None, None, 0.1, 1.0),)
CONFIG = small_recipe("mlp", epochs=3)
SHIFT_K = np.array([0.8, -0.8, 0.4, -0.4, 0.0])


def drawn(images: int, shift_K: np.ndarray = SHIFT_K) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from the softmax of logits + shift."""
    random = np.random.default_rng(3)
    logits_NK = random.normal(scale=2, size=(images, len(shift_K))).astype(np.float32)
    cumulative_NK = softmax(logits_NK + shift_K).cumsum(axis=1)
    labels_N = (random.random((images, 1)) > cumulative_NK).sum(axis=1).clip(max=len(shift_K) - 1)
    return logits_NK, labels_N.astype(np.int64)


class TestDecide:
    def test_helpful_biases_are_kept_and_fitted_on_all_images(self) -> None:
        logits_NK, labels_N = drawn(3_000)
        record = decide(logits_NK, labels_N)
        assert record.kept
        assert 0 < record.least_fall < record.log_loss_without - record.log_loss_with
        np.testing.assert_allclose(record.biases, SHIFT_K, atol=0.15)
        temperature, biases_K = fit_biases(logits_NK, calibration_targets(labels_N, 5))
        np.testing.assert_allclose(record.biases, temperature * biases_K)
        # Out-of-fold losses of many images are close to those of the true probabilities.
        truth = log_loss(softmax(logits_NK + SHIFT_K), np.eye(5)[labels_N])
        assert record.log_loss_with == pytest.approx(truth, abs=0.005)

    def test_biases_without_effect_are_dropped(self) -> None:
        record = decide(*drawn(3_000, np.zeros(5)))
        assert not record.kept
        assert record.biases == ()
        assert record.least_fall < 0
        assert record.log_loss_with == pytest.approx(record.log_loss_without, abs=0.002)

    def test_insignificant_decrease_drops_the_biases(self) -> None:
        record = decide(*drawn(150, np.array([0.2, -0.2, 0.1, -0.1, 0.0])))
        assert record.log_loss_with < record.log_loss_without
        assert not record.kept

    def test_few_correct_images_give_no_biases(self) -> None:
        labels_N = np.arange(20) % 5
        assert not decide((8 * np.eye(5)[labels_N]).astype(np.float32), labels_N).kept


def test_folds_are_balanced_in_total_and_per_class() -> None:
    labels_N = np.repeat([0, 1, 2], [50, 23, 4])
    fold_N = stratified_folds(labels_N, 5, seed=0)
    for part in (fold_N, *(fold_N[labels_N == k] for k in range(3))):
        counts = np.bincount(part, minlength=5)
        assert counts.max() - counts.min() <= 1
    assert (fold_N != stratified_folds(labels_N, 5, seed=1)).any()
    np.testing.assert_array_equal(fold_N, stratified_folds(labels_N, 5, seed=0))


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images(per_class_train=200)


@pytest.fixture(scope="module")
def biased(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A network strongly biased to three classes."""
    classifier = small_fit(CONFIG, images, tmp_path_factory.mktemp("run")).classifier
    return with_biases(classifier, (4.0, 4.0, 4.0, *[0.0] * 7))


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_biases_shift_the_logits_of_a_copy(images: Images, kind: str) -> None:
    classifier = new_classifier(small_recipe(kind), images).eval()
    pictures = images.part("holdout").images_NHWC[:5]
    before_NK = network_logits(classifier, pictures)
    biases = tuple(np.linspace(-1, 1, 10).tolist())
    shifted_NK = network_logits(with_biases(classifier, biases), pictures)
    np.testing.assert_allclose(shifted_NK, before_NK + np.array(biases), atol=1e-5)
    np.testing.assert_array_equal(network_logits(classifier, pictures), before_NK)


def test_network_without_a_last_bias_is_refused() -> None:
    ends_otherwise = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU()), (0, 0, 0), (1, 1, 1))
    with pytest.raises(ExportError, match=r"dense layer of 3 units.*not with ReLU"):
        with_biases(ends_otherwise, (0.1, 0.1, -0.2))


def test_class_biases_need_enough_holdout_images(images: Images, biased: Classifier) -> None:
    holdout = images.part("holdout")
    assert debias(biased, holdout.images_NHWC[:9], holdout.labels_N[:9]) == (biased, None)


def publish(
    biased: Classifier, images: Images, home: Path, class_biases: ClassBiasRecord | None = None
) -> tuple[ModelRepository, Manifest]:
    repository = ModelRepository(home / "models", home / "shipped")
    environment = environment_record(threads=1, dtype="float32", device=CPU)
    origin = Origin(CONFIG, HISTORY, environment, source_digest(), class_biases=class_biases)
    return repository, publish_version(biased, origin, images, repository, "mlp", reporter=RecordingReporter())


@pytest.mark.full
def test_kept_biases_are_in_every_file_also_after_republish(
    images: Images, biased: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_pass(monkeypatch)
    untouched = network_logits(biased, images.dataset.test.images_NHWC)
    repository, manifest = publish(biased, images, tmp_path)
    record = manifest.class_biases
    assert record is not None
    assert record.kept
    assert record.images == manifest.data.counts["holdout"]
    assert max(record.biases[:3]) < min(record.biases[3:])  # they compensate the bias

    folder = repository.folder("mlp", 1)
    expected_NK = untouched + np.array(record.biases)
    test_NHWC = images.dataset.test.images_NHWC
    np.testing.assert_allclose(predict_logits(folder / GRAPHS["fp32"], test_NHWC, threads=1), expected_NK, atol=1e-4)
    int8_NK = predict_logits(folder / GRAPHS["int8"], test_NHWC, threads=1)
    assert np.abs(int8_NK - expected_NK).mean() < np.abs(int8_NK - untouched).mean()
    stored = {name: tensor for name, tensor in load_file(folder / "weights.safetensors").items() if "bias" in name}
    last = last_dense(biased).bias.detach()
    assert any(
        tensor.shape == last.shape and torch.allclose(tensor, last + torch.tensor(record.biases), atol=1e-6)
        for tensor in stored.values()
    )
    card = (folder / CARD_NAME).read_text()
    assert "| class biases | included in the weights; log loss on the holdout, 5-fold cross-validation: " in card
    assert f"{record.log_loss_with:.4f} with temperature and biases, {record.log_loss_without:.4f}" in card

    measured = evaluate_version(folder, manifest, images, threads=1)
    published = published_evaluation(folder, measured)
    assert published is not None
    assert disagreements(published, measured) == []

    again = republish(repository, "mlp", 1, images, reporter=RecordingReporter())
    assert again.class_biases == record
    assert again.files["weights.safetensors"].sha256 == manifest.files["weights.safetensors"].sha256


def test_republish_fits_biases_of_a_version_without_them(
    images: Images, biased: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    refused = decide(*drawn(150, np.zeros(5)))
    repository, first = publish(biased, images, tmp_path, refused)
    assert first.class_biases == refused
    second = republish(repository, "mlp", 1, images, reporter=RecordingReporter())
    assert second.class_biases is not None
    assert second.class_biases.kept
    assert second.metrics.test_log_loss < first.metrics.test_log_loss
    assert second.metrics.test_accuracy > first.metrics.test_accuracy
