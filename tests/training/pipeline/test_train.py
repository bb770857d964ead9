import json
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CheckpointError, ExportError, LowDiskError, LowMemoryError, PublishError
from core.files.home import MIB
from core.jobs.run_folder import CHECKPOINT_NAME
from core.recipes import recipe_config
from core.records.base import ReportedModel, read_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedHoldout
from core.repository.evaluation import read_evaluation
from core.repository.manifest import GRAPHS, Manifest
from core.repository.predictions import load_predictions
from core.repository.repository import ModelRepository
from core.schemas.runs import RunDetail
from service.jobs.runs import Runs
from tests.support.disks import let_disks_have
from tests.support.training_runs import (
    CPU,
    RecordingReporter,
    let_int8_fail,
    let_int8_pass,
    small_recipe,
    train_version,
)
from training.data.split_dataset import Images
from training.evaluation.corrupted_holdout import measure_corrupted_holdout
from training.evaluation.reproduce import disagreements, evaluate_version, published_evaluation
from training.export import run_onnx
from training.export.gradients import check
from training.pipeline import train
from training.pipeline.train import new_classifier
from training.run.checkpoint import EpochRecord
from training.run.environment import source_digest
from training.run.run_folder import locked_run, require_free

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")


def run(
    repository: ModelRepository,
    images: Images,
    folder: Path,
    *,
    kind: str = "cnn",
    reporter: RecordingReporter | None = None,
    resume: bool = False,
    **overrides: object,
) -> Manifest:
    return train_version(
        small_recipe(kind, **overrides), images, repository, kind, folder, reporter=reporter, resume=resume
    )


@pytest.fixture(scope="module")
def published(
    images: Images, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelRepository, Manifest, RecordingReporter]:
    folder = tmp_path_factory.mktemp("published")
    repository = ModelRepository(folder / "models", folder / "shipped")
    reporter = RecordingReporter()
    with pytest.MonkeyPatch.context() as monkeypatch:
        let_int8_pass(monkeypatch)
        return repository, run(repository, images, folder / "run", reporter=reporter), reporter


Published = tuple[ModelRepository, Manifest, RecordingReporter]


def test_run_publishes_a_complete_version(published: Published, images: Images) -> None:
    repository, manifest, reporter = published
    assert repository.verify("cnn", 1) == manifest
    assert manifest.files.keys() == {
        "model.onnx", "model.int8.onnx", "weights.safetensors", "evaluation.json", "predictions.npz",
        "corrupted_holdout.json", "history.jsonl", "gradient.onnx", "README.md", "figures/history.png",
        "figures/confusion.png", "figures/reliability.png",
    }  # fmt: skip
    assert manifest.class_names == images.dataset.class_names
    assert manifest.data.digest == images.dataset.digest
    assert manifest.data.counts == {"train": 160, "validation": 20, "holdout": 20, "test": 50}
    assert manifest.config == small_recipe("cnn").model_dump(mode="json")
    assert manifest.parity.images == 50
    assert manifest.cost.epochs == 3
    assert (manifest.environment.device, manifest.environment.torch) == ("cpu", torch.__version__)
    lines = (repository.folder("cnn", 1) / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["train_loss"] for line in lines] == [record.train_loss for record in reporter.epochs]
    assert reporter.stages[:2] == ["rehearse the export with random weights", "fit cnn_baseline"]


def test_corrupted_holdout_uses_the_published_graph(published: Published, images: Images) -> None:
    repository, manifest, _ = published
    folder = repository.folder("cnn", 1)
    record = read_report(folder / CORRUPTED_HOLDOUT_NAME, CorruptedHoldout)
    assert record.model == ReportedModel.of(manifest)
    measured = measure_corrupted_holdout(
        folder / GRAPHS["fp32"], record.model, images, manifest.calibration["fp32"], threads=1
    )
    assert record == measured
    assert manifest.metrics.corrupted_accuracy == record.accuracy
    assert manifest.metrics.corrupted_flag_rate == record.flag_rate
    card = (folder / "README.md").read_text()
    assert f"under corruption | accuracy {record.accuracy:.2%}, {record.flag_rate:.2%} flagged" in card


def test_rejected_int8_is_not_published_and_the_verdict_recorded(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    manifest = run(repository, images, tmp_path / "run", kind="mlp", epochs=1)
    assert repository.verify("mlp", 1) == manifest
    assert "model.int8.onnx" not in manifest.files
    assert manifest.calibration.keys() == {"fp32"}
    assert manifest.quantization is not None
    assert not manifest.quantization.published
    assert manifest.quantization.verdict == "less than 1.5 times as fast as float32"
    folder = repository.folder("mlp", 1)
    assert load_predictions(folder, "test").probabilities.keys() == read_evaluation(folder).scores.keys() == {"fp32"}
    card = (folder / "README.md").read_text()
    assert "Not published, because it is less than 1.5 times as fast as float32" in card
    assert "temperature is" not in card


def test_thresholds_are_fitted_on_the_holdout(published: Published, images: Images) -> None:
    repository, manifest, _ = published
    holdout = load_predictions(repository.folder("cnn", 1), "holdout")
    np.testing.assert_array_equal(holdout.index, images.split.holdout)
    of_truth_N = holdout.probabilities["fp32"][np.arange(20), holdout.labels]
    # With 20 holdout images the conformal threshold for 99 % puts every class into the set.
    assert manifest.calibration["fp32"].conformal_threshold == 0.0
    assert manifest.metrics.holdout_accuracy == float((holdout.predicted() == holdout.labels).mean())
    assert of_truth_N.min() > 0


def test_second_evaluation_reproduces_the_published_scores(published: Published, images: Images) -> None:
    repository, manifest, _ = published
    folder = repository.folder("cnn", 1)
    measured = evaluate_version(folder, manifest, images, threads=2)
    stored = published_evaluation(folder, measured)
    assert stored is not None
    assert measured.scores.keys() == {"fp32", "int8"}
    assert disagreements(stored, measured) == []
    others = measured.model_copy(update={"data": measured.data.model_copy(update={"digest": "0" * 64})})
    assert published_evaluation(folder, others) is None


def test_card_has_the_measured_accuracies_and_speedups(published: Published) -> None:
    repository, manifest, _ = published
    folder = repository.folder("cnn", 1)
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert f"**{manifest.metrics.test_accuracy:.2%}**\nof 50 test images are correct" in card
    assert f"value: {manifest.metrics.test_accuracy:.6f}" in card
    card = " ".join(card.split())
    accuracy = read_evaluation(folder).scores["int8"].accuracy
    assert "Speed-up over float32 on one thread: 2.00 for single images, 2.00 for batches of 32" in card
    assert f"an accuracy of {accuracy.value:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%}) on 50 test images" in card
    assert f"{manifest.calibration['int8'].temperature:.6f}" in card


def test_interrupted_run_resumes_to_the_same_published_weights(
    published: Published, repository: ModelRepository, images: Images, tmp_path: Path
) -> None:
    whole_repository, whole, _ = published
    with pytest.raises(KeyboardInterrupt):
        run(repository, images, tmp_path / "run", reporter=RecordingReporter(stop_after=2))
    assert repository.families() == []
    with pytest.raises(CheckpointError, match=r"after epoch 2 of 3.*--resume"):
        require_free(tmp_path / "run")
    resumed = run(repository, images, tmp_path / "run", resume=True)
    assert resumed.files["weights.safetensors"] == whole.files["weights.safetensors"]
    require_free(tmp_path / "run")
    assert whole_repository.versions("cnn") == [1]


def test_resume_with_other_software_notes_the_change(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    path = tmp_path / "run" / CHECKPOINT_NAME

    def told(*, stop_after: int | None, resume: bool = True) -> list[str]:
        reporter = RecordingReporter(stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt) if stop_after else nullcontext():
            run(repository, images, tmp_path / "run", kind="mlp", epochs=5, resume=resume, reporter=reporter)
        return [note for note in reporter.notes if "software changed" in note]

    assert told(stop_after=1, resume=False) == []
    assert told(stop_after=2) == []
    begun = source_digest()
    monkeypatch.setattr(train, "source_digest", lambda: "b" * 64)
    [note] = told(stop_after=3)
    assert f"(source was {begun[:12]}, is now bbbbbbbbbbbb)" in note
    content = torch.load(path, weights_only=True)
    torch.save(content | {"torch_version": "2.0.0"}, path)
    [note] = told(stop_after=4)
    assert "(torch was 2.0.0, is now" in note
    torch.save(content, path)
    assert told(stop_after=None) == []
    assert repository.manifest("mlp", 1).source_digest == "b" * 64


def test_include_validation_records_no_validation_accuracy(
    repository: ModelRepository, images: Images, tmp_path: Path
) -> None:
    reporter = RecordingReporter()
    manifest = run(
        repository, images, tmp_path / "run", kind="mlp", epochs=1, include_validation=True, reporter=reporter
    )
    assert manifest.metrics.validation_accuracy is None
    assert manifest.data.trained_on == ("train", "validation")
    assert reporter.epochs[0].validation_accuracy is None
    assert reporter.started == (4, 0)  # 180 images in batches of 50


def test_run_with_a_wrong_graph_is_not_published_and_not_lost(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(run_onnx, "MAX_LOGIT_DIFFERENCE", -1.0)
        with pytest.raises(ExportError):
            run(repository, images, tmp_path / "run", kind="mlp", epochs=1)
    assert repository.families() == []
    assert not list((repository.home_models / "mlp" / ".staging").glob("[0-9]*/"))
    with pytest.raises(CheckpointError, match=r"after epoch 1 of 1.*--resume"):
        require_free(tmp_path / "run")
    reporter = RecordingReporter()
    assert run(repository, images, tmp_path / "run", kind="mlp", epochs=1, resume=True, reporter=reporter).version == 1
    assert reporter.epochs == []
    with pytest.raises(CheckpointError, match="published as mlp@1"):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=1, resume=True)
    require_free(tmp_path / "run")


def test_service_reads_a_run_while_it_trains_and_after(
    repository: ModelRepository, images: Images, tmp_path: Path
) -> None:
    runs = Runs(tmp_path / "home", repository)
    folder = tmp_path / "home" / "runs" / "mine"
    seen: list[RunDetail] = []

    class Looking(RecordingReporter):
        def epoch(self, record: EpochRecord, epochs: int) -> None:
            seen.append(runs.read("mine"))
            super().epoch(record, epochs)

    run(repository, images, folder, kind="mlp", reporter=Looking())
    assert [(run.state, run.epoch, run.epochs) for run in seen] == [("running", n, 3) for n in (1, 2, 3)]
    (ended,) = runs.list()
    assert (ended.name, ended.state, ended.recipe, ended.family) == ("mine", "published", "mlp_baseline", "mlp")
    assert (ended.published, ended.data, ended.epoch) == ("mlp@1", images.dataset.name, 3)
    assert ended.started_at == seen[0].started_at
    assert ended.accuracy == runs.read("mine").history[-1].validation_accuracy


def test_run_folder_in_use_is_refused(repository: ModelRepository, images: Images, tmp_path: Path) -> None:
    with locked_run(tmp_path / "run"):
        (tmp_path / "run" / "checkpoint.pt").write_bytes(b"of the run in progress")
        with pytest.raises(CheckpointError, match="another process is training"):
            run(repository, images, tmp_path / "run", kind="mlp", epochs=1)
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == b"of the run in progress"


def test_reporter_can_prevent_publishing(repository: ModelRepository, images: Images, tmp_path: Path) -> None:
    reporter = RecordingReporter(refuse="checkpoint")
    with pytest.raises(PermissionError):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=2, reporter=reporter)
    assert (reporter.written, reporter.epochs) == (["checkpoint"], [])
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    reporter = RecordingReporter(refuse="publish")
    with pytest.raises(PermissionError):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=2, reporter=reporter)
    assert reporter.written == ["checkpoint", "checkpoint", "publish"]
    assert repository.families() == []
    with pytest.raises(CheckpointError, match="after epoch 2 of 2"):
        require_free(tmp_path / "run")


def test_run_with_too_little_disk_space_is_refused(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Space for two checkpoints and a version: ten times the weights, 4 MiB, and a margin for the buffers."""
    reporter = RecordingReporter(stop_after=1)
    weights = 4 * sum(tensor.numel() for tensor in new_classifier(small_recipe("mlp"), images).parameters())
    let_disks_have(monkeypatch, 10 * weights + 4 * MIB)
    with pytest.raises(LowDiskError, match="a training of this network needs"):
        run(repository, images, tmp_path / "run", kind="mlp", reporter=reporter)
    assert reporter.stages == []
    let_disks_have(monkeypatch, 11 * weights + 4 * MIB)
    with pytest.raises(KeyboardInterrupt):
        run(repository, images, tmp_path / "run", kind="mlp", reporter=reporter)


def test_run_that_does_not_fit_into_memory_is_refused(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fit.memory.pick_device", lambda: CPU)
    monkeypatch.setattr("core.memory.available_memory", lambda: 1_000_000)
    reporter = RecordingReporter()
    with pytest.raises(LowMemoryError, match="a training of this network needs at least"):
        run(repository, images, tmp_path / "run", kind="mlp", reporter=reporter)
    assert reporter.stages == []


def test_new_run_in_used_folder_keeps_the_log(repository: ModelRepository, images: Images, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("log.txt", "published"):
        (tmp_path / "run" / name).write_text("of an earlier run")
    with pytest.raises(KeyboardInterrupt):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=2, reporter=RecordingReporter(stop_after=1))
    assert (tmp_path / "run" / "log.txt").read_text() == "of an earlier run"
    assert not (tmp_path / "run" / "published").exists()


def test_run_killed_after_publishing_is_not_published_again(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(train, "mark_published", lambda _folder, _reference: sys.exit("killed"))
        with pytest.raises(SystemExit):
            run(repository, images, tmp_path / "run", kind="mlp", epochs=1)
    assert repository.versions("mlp") == [1]
    with pytest.raises(CheckpointError, match="published as mlp@1"):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=1, resume=True)
    assert repository.versions("mlp") == [1]


def test_version_number_of_another_run_is_not_claimed(
    repository: ModelRepository, images: Images, tmp_path: Path
) -> None:
    with pytest.raises(PermissionError):
        run(repository, images, tmp_path / "run", kind="mlp", epochs=1, reporter=RecordingReporter(refuse="publish"))
    (tmp_path / "run" / "publishing").write_text(f"mlp@1 {'0' * 64}\n")
    assert run(repository, images, tmp_path / "other", kind="mlp", epochs=1).version == 1
    assert run(repository, images, tmp_path / "run", kind="mlp", epochs=1, resume=True).version == 2


def test_export_rehearsal_failure_stops_before_training(
    repository: ModelRepository, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_features(*_: object, **__: object) -> None:
        raise ExportError("gradient.onnx disagrees with the network on 4 images")

    monkeypatch.setattr(check, "check_gradient", wrong_features)
    reporter = RecordingReporter()
    with pytest.raises(ExportError, match="disagrees with the network on 4 images"):
        train.train_version(
            small_recipe("cnn"), images, repository, "cnn", tmp_path, reporter=reporter, threads=1, device=CPU
        )
    assert not reporter.epochs
    assert not (tmp_path / CHECKPOINT_NAME).exists()


def test_rehearsal_does_not_change_the_network(images: Images) -> None:
    classifier = new_classifier(small_recipe("cnn"), images)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    check.rehearse_export(classifier, images.part("train").images_NHWC)
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.state_dict().items())


@pytest.mark.full
def test_rehearsal_uses_the_network_of_the_recipe(images: Images) -> None:
    """Published tolerances hold for deep and wide networks with random weights too."""
    check.rehearse_export(new_classifier(recipe_config("cnn_best"), images), images.part("train").images_NHWC)


def test_invalid_family_name_is_refused_before_training(
    repository: ModelRepository, images: Images, tmp_path: Path
) -> None:
    with pytest.raises(PublishError, match="'My Pets' is not a valid family name"):
        train.prepare_run(small_recipe("mlp"), images, repository, "My Pets", tmp_path / "run")
    assert not (tmp_path / "run").exists()
