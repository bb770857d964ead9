from pathlib import Path
from typing import Any

import pytest

from core.comparison.compare import VersionComparer
from core.comparison.evaluated import current_scores, read_evaluated
from core.comparison.pairwise import Pairwise, compare_predictions
from core.comparison.schemas import MetricsComparison
from core.errors import CorruptVersionError, DataError, DifferentImagesError, NotEvaluatedError
from core.records.robustness import side_by_side
from core.repository.evaluation import CalibratedECE, StrangeImages
from core.repository.repository import ModelRepository
from core.statistics.conformal import coverage_band
from core.statistics.intervals import ConfidenceInterval
from tests.support.comparisons import write_latency, write_robustness
from tests.support.onnx_models import write_onnx_version
from tests.support.service import set_champions
from tests.support.versions import write_version

BETTER = (0, 1, 2, 3, 4, 4)
WORSE = (0, 0, 0, 0, 0, 0)


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1; cnn@2, the champion with a lower accuracy; and mlp@1 with the predictions of cnn@2."""
    models = tmp_path / "models"
    write_onnx_version(models / "cnn" / "1", "cnn", 1, test_answers=BETTER)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, test_answers=WORSE)
    write_onnx_version(models / "mlp" / "1", "mlp", 1, test_answers=WORSE)
    set_champions(models, cnn=2, mlp=1)
    return ModelRepository(models, tmp_path / "none")


def compared(repository: ModelRepository, first: str, second: str, *layers: Path) -> MetricsComparison:
    one, other = (
        read_evaluated(repository, repository.manifest(*repository.resolve(each))) for each in (first, second)
    )
    return VersionComparer(repository, layers).compare(one, other)


def test_compare_accepts_two_versions_of_one_family(repository: ModelRepository) -> None:
    comparison = compared(repository, "cnn@1", "cnn@2")
    assert [(side.model, side.version, side.champion) for side in (comparison.first, comparison.second)] == [
        ("cnn", 1, False),
        ("cnn", 2, True),
    ]
    # labels 0 1 2 3 4 3: cnn@1 has five right, cnn@2 the first alone
    assert (comparison.paired.both_right, comparison.paired.only_first_right) == (1, 4)
    assert [row.label for row in comparison.per_class] == ["black", "dark", "grey", "light", "white"]
    assert comparison.per_class[3].images == 2
    assert (comparison.per_class[3].first.value, comparison.per_class[3].second.value) == (0.5, 0.0)
    # each answer has 0.9; the loss of a right one is -ln 0.9, of a wrong one -ln 0.025, so 5 against 1 right in 6
    assert comparison.log_loss_difference.value == pytest.approx(-4 / 6 * 3.5835, abs=1e-4)
    assert comparison.log_loss_difference.high < 0
    assert comparison.first.probability.brier.value < comparison.second.probability.brier.value
    assert (
        comparison.significance.headline == "cnn@1 and cnn@2 do not differ significantly in accuracy"
    )  # of six images


def test_compared_model_has_the_costs_of_the_version(repository: ModelRepository, tmp_path: Path) -> None:
    manifest = repository.manifest("cnn", 1)
    latency = write_latency(tmp_path / "reports", manifest, ms=2.5)
    side = compared(repository, "cnn@1", "mlp", tmp_path / "reports").first
    assert side.cost == manifest.cost
    assert side.environment == manifest.environment
    assert side.files == {name: record.bytes for name, record in manifest.files.items()}
    assert side.served_bytes == side.files["model.onnx"] + side.files["weights.safetensors"]
    assert side.latency == latency
    assert compared(repository, "cnn@2", "mlp", tmp_path / "reports").first.latency is None


def test_robustness_is_found_in_every_layer(repository: ModelRepository, tmp_path: Path) -> None:
    home, shipped = tmp_path / "home", tmp_path / "shipped"
    mine = write_robustness(home, repository.manifest("cnn", 1), clean=0.9)
    write_robustness(shipped, repository.manifest("mlp", 1), clean=0.5)
    robustness = compared(repository, "cnn@1", "mlp@1", home, shipped).robustness
    assert robustness is not None
    assert [each.name for each in robustness.conditions] == ["gaussian_noise", "fog", "rotation"]
    noise = robustness.conditions[0]
    assert (noise.kind, [level.level for level in noise.levels]) == ("noise", [1, 2])
    assert noise.levels[1].first == mine.named("gaussian_noise")[1].accuracy
    assert noise.mean.first.value == pytest.approx((noise.levels[0].first.value + noise.levels[1].first.value) / 2)
    assert noise.mean.difference.value == pytest.approx(noise.mean.first.value - noise.mean.second.value)
    assert (robustness.first_clean, robustness.second_clean.value) == (mine.clean.accuracy, 0.5)
    assert robustness.all_corruptions.first.value < robustness.first_clean.value
    assert (robustness.first_flag_rate, robustness.second_flag_rate) == (None, None)


def test_flag_rates_are_means_over_the_corruptions(repository: ModelRepository, tmp_path: Path) -> None:
    plain, other = (write_robustness(tmp_path, repository.manifest(name, 1), clean=0.9) for name in ("cnn", "mlp"))
    other = other.model_copy(update={"data": plain.data})
    rates = {"gaussian_noise": 0.4, "fog": 0.2}
    conditions = [each.model_copy(update={"flag_rate": rates.get(each.name, 0.0)}) for each in other.conditions]
    robustness = side_by_side(plain, other.model_copy(update={"conditions": tuple(conditions)}))
    assert robustness.first_flag_rate is None
    assert robustness.second_flag_rate == pytest.approx(0.3)


def test_missing_robustness_note_names_the_command(repository: ModelRepository, tmp_path: Path) -> None:
    write_robustness(tmp_path, repository.manifest("cnn", 1), clean=0.9)
    comparison = compared(repository, "cnn@1", "mlp@1", tmp_path)
    assert comparison.robustness is None
    [note] = comparison.notes
    assert "mlp@1" in note
    assert "`duet evaluate mlp@1 --robustness`" in note


def test_robustness_means_use_common_conditions(repository: ModelRepository, tmp_path: Path) -> None:
    one, other = (write_robustness(tmp_path, repository.manifest(name, 1), clean=0.9) for name in ("cnn", "mlp"))
    unknown = [*one.named("fog"), one.named("gaussian_noise")[1]]
    less = one.model_copy(update={"conditions": tuple(each for each in one.conditions if each not in unknown)})
    for comparison in (side_by_side(less, other), side_by_side(other, less)):
        assert [each.name for each in comparison.conditions] == ["gaussian_noise", "rotation"]
        assert [level.level for level in comparison.conditions[0].levels] == [1]
        # both answer alike, so that any difference would be one of the conditions
        assert comparison.all_corruptions.difference.value == comparison.conditions[0].mean.difference.value == 0
    nothing = one.model_copy(update={"conditions": (one.clean, *one.named("rotation"))})
    with pytest.raises(DataError, match="cnn@1 and mlp@1 were measured under different corruptions"):
        side_by_side(nothing, other)


def test_unusable_robustness_record_leaves_a_note(repository: ModelRepository, tmp_path: Path) -> None:
    write_robustness(tmp_path, repository.manifest("cnn", 1), clean=0.9)
    write_robustness(tmp_path, repository.manifest("mlp", 1), clean=0.5, seed=1)
    comparison = compared(repository, "cnn@1", "mlp@1", tmp_path)
    assert comparison.robustness is None
    assert "cnn@1 and mlp@1 were measured on other images of the same data" in comparison.notes[0]
    for what in ("robustness", "latency"):
        (tmp_path / what).mkdir(exist_ok=True)
        (tmp_path / what / "mlp@1.json").write_text("{}", encoding="utf-8")
    notes = " ".join(compared(repository, "cnn@1", "mlp@1", tmp_path).notes)
    assert "robustness/mlp@1.json is not a valid record" in notes
    assert "latency/mlp@1.json is not a valid record" in notes
    assert str(tmp_path) not in notes


def test_bootstrap_is_drawn_once_per_pair(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def counted(*sides: Any) -> Pairwise:
        drawn.append(sides)
        return compare_predictions(*sides)

    monkeypatch.setattr("core.comparison.compare.compare_predictions", counted)
    comparer = VersionComparer(repository, ())

    def compare(first: int, second: int) -> MetricsComparison:
        one, other = (read_evaluated(repository, repository.manifest("cnn", version)) for version in (first, second))
        return comparer.compare(one, other)

    assert compare(1, 2) == compare(1, 2)
    assert len(drawn) == 1
    compare(2, 1)
    assert len(drawn) == 2


def test_different_data_is_refused(repository: ModelRepository) -> None:
    write_onnx_version(repository.home_models / "cnn" / "3", "cnn", 3, data_digest="e" * 64)
    with pytest.raises(DifferentImagesError) as caught:
        compared(repository, "cnn@1", "cnn@3")
    assert caught.value.fields["digests"] == {"cnn@1": "d" * 64, "cnn@3": "e" * 64}
    assert caught.value.fields["comparable"] == {"cnn@1": ["mlp@1", "cnn@2"], "cnn@3": []}
    assert str(caught.value).endswith(
        "cnn@1 can be compared with mlp@1, cnn@2; cnn@3 can be compared with no other version"
    )


def test_other_classes_are_refused_with_comparable_versions(repository: ModelRepository) -> None:
    names = ("hamster", "rabbit", "c", "d", "e")
    for version in (1, 2):
        write_onnx_version(repository.home_models / "pets" / str(version), "pets", version, classes=names)
    (repository.home_models / "mlp" / "1" / "evaluation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DifferentImagesError, match="different classes") as caught:
        compared(repository, "cnn@1", "pets@1")
    assert caught.value.fields["comparable"] == {"cnn@1": ["cnn@2"], "pets@1": ["pets@2"]}


def test_version_without_evaluation_is_refused(repository: ModelRepository) -> None:
    write_version(repository.home_models / "cnn" / "3", "cnn", 3)
    with pytest.raises(NotEvaluatedError, match=r"cnn@3 has no evaluation.json.*`duet export`"):
        compared(repository, "cnn@1", "cnn@3")


def test_predictions_for_another_number_of_images_are_refused(repository: ModelRepository) -> None:
    models = repository.home_models
    manifest = write_onnx_version(models / "cnn" / "3", "cnn", 3)
    short = write_onnx_version(models / "cnn" / "4", "cnn", 4, test_answers=(0, 1), test_labels=(0, 1))
    answers = (models / "cnn" / "4" / "predictions.npz").read_bytes()
    files = {**manifest.files, "predictions.npz": short.files["predictions.npz"]}
    (models / "cnn" / "3" / "predictions.npz").write_bytes(answers)
    (models / "cnn" / "3" / "manifest.json").write_text(manifest.model_copy(update={"files": files}).to_json())
    with pytest.raises(NotEvaluatedError, match=r"cnn@3: predictions.npz: probabilities \(2, 5\) instead of \(6, 5\)"):
        compared(repository, "cnn@1", "cnn@3")


def test_changed_file_of_a_cached_pair_is_refused(repository: ModelRepository) -> None:
    compared(repository, "cnn@1", "cnn@2")
    path = repository.home_models / "cnn" / "2" / "predictions.npz"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CorruptVersionError, match=r"cnn@2: predictions.npz"):
        compared(repository, "cnn@1", "cnn@2")


def test_empty_intervals_of_published_areas_are_replaced(tmp_path: Path) -> None:
    manifest = write_onnx_version(tmp_path / "models" / "cnn" / "1", "cnn", 1)
    version = read_evaluated(ModelRepository(tmp_path / "models", tmp_path / "shipped"), manifest)
    probability = compared(
        ModelRepository(tmp_path / "models", tmp_path / "shipped"), "cnn@1", "cnn@1"
    ).first.probability
    perfect = StrangeImages(
        kind="flat", images=2_000, auroc=ConfidenceInterval(value=1.0, low=1.0, high=1.0), flag_rate=1.0
    )
    usual = perfect.model_copy(update={"auroc": ConfidenceInterval(value=0.9, low=0.88, high=0.92)})
    old = version.evaluation.scores["fp32"].model_copy(update={"strange": (perfect, usual)})
    now = current_scores(old, manifest, probability, images=10_000)
    assert now.strange is not None
    assert now.strange[0].auroc.low == pytest.approx(0.025 ** (1 / 2_000))
    assert now.strange[1] == usual
    assert current_scores(now, manifest, probability, images=10_000) == now


def test_missing_scores_of_older_evaluations_are_computed(tmp_path: Path) -> None:
    manifest = write_onnx_version(tmp_path / "models" / "cnn" / "1", "cnn", 1)
    version = read_evaluated(ModelRepository(tmp_path / "models", tmp_path / "shipped"), manifest)
    evaluation, answers = version.evaluation, version.predictions()
    names = evaluation.class_names
    probability = compare_predictions(
        ("cnn@1", "cnn@1"), (evaluation.data,) * 2, (names, names), (answers, answers), resamples=10
    ).first
    old = evaluation.scores["fp32"]
    binomial = old.prediction_sets.model_copy(update={"band": (0.5, 0.6)})
    old = old.model_copy(update={"prediction_sets": binomial})

    now = current_scores(old, manifest, probability, images=6)
    holdout = manifest.data.counts["holdout"]
    assert now.prediction_sets.band == coverage_band(6, holdout, old.prediction_sets.target)
    assert now.prediction_sets.calibration_images == holdout
    assert now.reliability.if_calibrated == probability.ece_if_calibrated
    before = {"prediction_sets": binomial, "reliability": old.reliability, "strange": old.strange}
    assert now.model_copy(update=before) == old

    published = CalibratedECE(mean=0.1, percentile_95=0.2)
    newer = now.model_copy(update={"reliability": now.reliability.model_copy(update={"if_calibrated": published})})
    assert current_scores(newer, manifest, probability, images=6) == newer
