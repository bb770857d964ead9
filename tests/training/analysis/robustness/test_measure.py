from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from core.errors import DataError, DifferentImagesError
from core.records.base import unpack_bits
from core.records.robustness import Robustness, compare_robustness, mean_accuracies
from core.repository.manifest import GRAPHS, Manifest
from core.statistics.calibration import expected_calibration_error, softmax
from core.statistics.conformal import prediction_set_mask
from core.statistics.energy import auroc, energy
from tests.support.cifar_files import small_dataset
from tests.support.published_pair import PublishedPair
from training.analysis.robustness import measure
from training.analysis.robustness.measure import attacked
from training.corruptions.cifar10c import CORRUPTIONS, corrupted
from training.data.split_dataset import Images
from training.data.splits import split_for
from training.data.test_subset import subset_of_test
from training.evaluation.ood import ood_images
from training.export.run_onnx import predict_logits
from training.export.weights import stored_classifier

pytestmark = pytest.mark.slow


def measured(pair: PublishedPair, manifest: Manifest, memory: Path, **options: object) -> Robustness:
    return measure.measure_robustness(
        manifest, pair.folder(manifest), pair.images, memory, threads=1, count=measure.QUICK_IMAGES, **options,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def reports(pair: PublishedPair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Robustness, Robustness]:
    folder = tmp_path_factory.mktemp("memory")
    return measured(pair, pair.mlp, folder / "mlp"), measured(pair, pair.cnn, folder / "cnn")


def test_every_condition_is_measured_on_the_graph(pair: PublishedPair, reports: tuple[Robustness, Robustness]) -> None:
    report = reports[1]
    assert Robustness.model_validate_json(report.model_dump_json()) == report
    assert len(report.conditions) == 1 + 5 * len(CORRUPTIONS) + 4 + 5 + 5 + 4
    assert len(CORRUPTIONS) == 14
    assert "frost" in report.left_out[0]
    subset, _ = subset_of_test(pair.images.dataset, measure.QUICK_IMAGES)
    graph = pair.folder(pair.cnn) / GRAPHS["fp32"]
    foggy_N = (
        predict_logits(graph, corrupted("fog", 5, subset.images_NHWC, 0), threads=1).argmax(axis=1) == subset.labels_N
    )
    condition = report.named("fog")[4]
    assert unpack_bits(condition.right, len(subset)).tolist() == foggy_N.tolist()
    assert condition.accuracy.value == foggy_N.mean()
    clean_N = predict_logits(graph, subset.images_NHWC, threads=1).argmax(axis=1) == subset.labels_N
    assert report.clean.accuracy.value == clean_N.mean()


def test_ood_images_are_scored_against_the_subset(pair: PublishedPair, reports: tuple[Robustness, Robustness]) -> None:
    subset, _ = subset_of_test(pair.images.dataset, measure.QUICK_IMAGES)
    graph, calibration = pair.folder(pair.cnn) / GRAPHS["fp32"], pair.cnn.calibration["fp32"]
    found = {each.kind: each for each in reports[1].strange or ()}
    text_NHWC = ood_images(subset.images_NHWC)["text"]
    energy_M = energy(predict_logits(graph, text_NHWC, threads=1))
    clean_N = energy(predict_logits(graph, subset.images_NHWC, threads=1))
    assert found["text"].auroc == auroc(clean_N, energy_M)
    assert found["text"].flag_rate == np.mean(energy_M > calibration.ood_threshold)
    assert set(found) == set(ood_images(subset.images_NHWC))


def test_noise_of_the_original_is_measured_by_image_size(reports: tuple[Robustness, Robustness]) -> None:
    settings = [each.setting for each in reports[0].named("noisy_original")]
    assert settings == [f"{side} pixels, deviation 0.1" for side in (512, 256, 128, 64, 32)]


def test_condition_metrics_use_the_stored_thresholds(
    pair: PublishedPair, reports: tuple[Robustness, Robustness]
) -> None:
    condition, calibration = reports[1].named("contrast")[2], pair.cnn.calibration["fp32"]
    subset, _ = subset_of_test(pair.images.dataset, measure.QUICK_IMAGES)
    graph = pair.folder(pair.cnn) / GRAPHS["fp32"]
    logits_NK = predict_logits(graph, corrupted("contrast", 3, subset.images_NHWC, 0), threads=1)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    sets_NK = prediction_set_mask(probabilities_NK, calibration.conformal_threshold)
    assert condition.flag_rate == np.mean(energy(logits_NK) > calibration.ood_threshold)
    assert condition.mean_confidence == pytest.approx(probabilities_NK.max(axis=1).mean())
    assert condition.ece == expected_calibration_error(probabilities_NK, subset.labels_N)
    assert condition.coverage == sets_NK[np.arange(len(subset)), subset.labels_N].mean()


def test_mean_over_corruptions_leaves_out_other_conditions(reports: tuple[Robustness, Robustness]) -> None:
    report = reports[0]
    rates = [each.flag_rate for name in CORRUPTIONS for each in report.named(name)]
    assert None not in rates
    assert report.mean_over_corruptions("flag_rate") == pytest.approx(np.mean(np.array(rates, np.float64)))
    older = [each.model_copy(update={"flag_rate": None}) if each.level == 3 else each for each in report.conditions]
    assert report.model_copy(update={"conditions": tuple(older)}).mean_over_corruptions("flag_rate") is None


def test_count_none_measures_all_test_images(pair: PublishedPair, tmp_path: Path) -> None:
    whole = measure.measure_robustness(
        pair.mlp, pair.folder(pair.mlp), pair.images, tmp_path / "memory", threads=1, count=None
    )
    assert (whole.data.images, whole.data.seed) == (len(pair.images.dataset.test), None)


def test_mean_accuracies_are_over_images_and_levels(reports: tuple[Robustness, Robustness]) -> None:
    rows = {row.name: row.accuracy for row in mean_accuracies(reports[0])}
    levels = [level.accuracy.value for level in reports[0].named("pixelate")]
    assert rows["pixelate"].value == pytest.approx(np.mean(levels))
    corruptions = reports[0].of_kind("noise", "blur", "weather", "digital")
    assert rows["all corruptions"].value == pytest.approx(np.mean([each.accuracy.value for each in corruptions]))


def test_compare_robustness_is_paired_by_image(reports: tuple[Robustness, Robustness]) -> None:
    rows = {row.name: row for row in compare_robustness(*reports)}
    for row in rows.values():
        assert row.difference.value == pytest.approx(row.first.value - row.second.value)
    same = compare_robustness(reports[0], reports[0])
    assert all(row.difference.low == row.difference.high == 0 for row in same)
    clean = reports[0].clean.accuracy.value - reports[1].clean.accuracy.value
    assert rows["fog"].kept_difference.value == pytest.approx(rows["fog"].difference.value - clean)


def test_compare_robustness_of_other_images_is_refused(reports: tuple[Robustness, Robustness]) -> None:
    other = reports[1].model_copy(update={"data": reports[1].data.model_copy(update={"digest": "b" * 64})})
    with pytest.raises(DifferentImagesError, match=r"b{64}"):
        compare_robustness(reports[0], other)


def test_interrupted_measurement_resumes(
    pair: PublishedPair, reports: tuple[Robustness, Robustness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(name: str, done: int, _of: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(pair, pair.mlp, tmp_path / "memory", progress=stop)
    made: list[tuple[str, int]] = []

    def counted(name: str, severity: int, images_NHWC: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
        made.append((name, severity))
        return corrupted(name, severity, images_NHWC, seed)

    monkeypatch.setattr(measure, "corrupted", counted)
    assert measured(pair, pair.mlp, tmp_path / "memory") == reports[0]
    assert len(made) == 5 * len(CORRUPTIONS) - 29  # the clean images and 29 corruptions were known


def test_attack_raises_the_loss_within_one_step(pair: PublishedPair) -> None:
    classifier = stored_classifier(pair.cnn, pair.folder(pair.cnn))
    test = pair.images.dataset.test
    changed_NHWC = attacked(classifier, test.images_NHWC, test.labels_N, 2)
    steps = changed_NHWC.astype(int) - test.images_NHWC
    assert set(np.unique(steps)) <= {-2, -1, 0, 1, 2}
    assert np.mean(np.abs(steps) == 2) > 0.9
    losses = []
    for images_NHWC in (test.images_NHWC, changed_NHWC):
        logits = classifier(torch.from_numpy(images_NHWC).float() / 255)
        losses.append(torch.nn.functional.cross_entropy(logits, torch.from_numpy(test.labels_N)).item())
    assert losses[1] > losses[0]


def test_measuring_images_of_other_classes_is_refused(pair: PublishedPair, tmp_path: Path) -> None:
    dataset = small_dataset()
    renamed = type(dataset)("other", tuple("abcdefghij"), dataset.training, dataset.test, "")
    with pytest.raises(DataError, match="cannot be evaluated on other"):
        measure.measure_robustness(
            pair.mlp, pair.folder(pair.mlp), Images(renamed, split_for(renamed)), tmp_path / "m", threads=1
        )
