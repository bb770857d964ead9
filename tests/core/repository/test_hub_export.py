"""Export for a model hub: files, card and configuration, run by plain onnxruntime."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.numpy import load_file

from core.errors import ConfigurationError, CorruptVersionError, LowDiskError, RepositoryError
from core.files.home import shipped_models
from core.repository.evaluation import read_evaluation
from core.repository.hub_export import export_to_hub_layout
from core.repository.manifest import read_manifest
from core.repository.repository import ModelRepository
from tests.support.versions import champion, make_repository, shipped_folder

VERSION = champion("cnn")
FOLDER = shipped_folder("cnn", VERSION)
MANIFEST = read_manifest(FOLDER)
SHIPPED = ModelRepository(FOLDER / "none", shipped_models())


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The champion of cnn that ships, exported."""
    folder = tmp_path / "hub"
    assert export_to_hub_layout(SHIPPED, "cnn", VERSION, folder) == MANIFEST
    return folder


def logits(folder: Path, graph: str, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(folder / graph), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": images_NHWC})
    return np.asarray(found, np.float32)


def test_graph_runs_from_the_exported_folder_alone(exported: Path, tmp_path: Path) -> None:
    spec = MANIFEST.input
    images_NHWC = np.random.default_rng(0).integers(0, 256, (4, spec.height, spec.width, 3), np.uint8)
    moved = tmp_path / "elsewhere"
    exported.rename(moved)
    there = logits(moved, "onnx/model.onnx", images_NHWC)
    np.testing.assert_array_equal(there, logits(FOLDER, "model.onnx", images_NHWC))
    int8 = logits(moved, "onnx/model_int8.onnx", images_NHWC)
    np.testing.assert_array_equal(int8, logits(FOLDER, "model.int8.onnx", images_NHWC))


def test_weights_are_those_of_the_version(exported: Path) -> None:
    weights = load_file(exported / "model.safetensors")
    assert sum(array.size for array in weights.values()) >= MANIFEST.cost.parameters
    original = FOLDER / "weights.safetensors"
    assert (exported / "model.safetensors").read_bytes() == original.read_bytes()


def test_hub_reads_the_card_and_its_figures(exported: Path) -> None:
    card = ModelCard.load(exported / "README.md")
    scores = read_evaluation(FOLDER).scores["fp32"]
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "onnx"
    results = card.data.eval_results
    assert results is not None
    values = {result.metric_type: result.metric_value for result in results}
    assert values == pytest.approx(
        {
            "accuracy": scores.accuracy.value,
            "f1": scores.macro.f1.value,
            "precision": scores.macro.precision.value,
            "recall": scores.macro.recall.value,
        },
        abs=1e-6,
    )
    assert card.text.lstrip().startswith(f"# {MANIFEST.reference}")
    assert "\n---\n" not in card.text
    for figure in re.findall(r"\]\((figures/[^)]+)\)", card.text):
        assert (exported / figure).is_file()


def test_configuration_has_classes_and_preparation(exported: Path) -> None:
    config = json.loads((exported / "config.json").read_text(encoding="utf-8"))
    names = MANIFEST.class_names
    assert [config["id2label"][str(number)] for number in range(len(names))] == list(names)
    assert [config["label2id"][name] for name in names] == list(range(len(names)))
    assert config["image_size"] == [MANIFEST.input.height, MANIFEST.input.width]
    assert config["duet"]["calibration"]["fp32"]["temperature"] == MANIFEST.calibration["fp32"].temperature
    preparation = json.loads((exported / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert (preparation["do_rescale"], preparation["do_normalize"]) == (False, False)
    assert preparation["do_center_crop"] == (MANIFEST.input.geometry == "crop")


def test_example_of_the_card_runs(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MANIFEST.input
    image_HWC = np.random.default_rng(1).integers(0, 256, (spec.height, spec.width, 3), np.uint8)
    Image.fromarray(image_HWC).save(exported / "image.png")
    monkeypatch.chdir(exported)
    (example,) = re.findall(r"^```python\n(.*?)^```$", (exported / "README.md").read_text("utf-8"), re.M | re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example, {})
    scaled = logits(exported, "onnx/model.onnx", image_HWC[None])[0] / MANIFEST.calibration["fp32"].temperature
    probabilities = np.exp(scaled) / np.exp(scaled).sum()
    label, probability = printed.getvalue().split()
    assert label == MANIFEST.class_names[probabilities.argmax()]
    assert float(probability) == pytest.approx(probabilities.max(), rel=1e-5)


def test_existing_folder_is_not_touched(exported: Path, tmp_path: Path) -> None:
    (exported / "own.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already: name a new folder"):
        export_to_hub_layout(SHIPPED, "cnn", VERSION, exported)
    assert (exported / "own.txt").read_text() == "mine"
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        export_to_hub_layout(SHIPPED, "cnn", VERSION, tmp_path / "nowhere" / "hub")


def test_failed_exports_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "copy" / "cnn" / str(VERSION)
    shutil.copytree(FOLDER, folder)
    copy = ModelRepository(tmp_path / "copy", tmp_path / "none")
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        patched.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(LowDiskError, match="free some space"):
            export_to_hub_layout(copy, "cnn", VERSION, tmp_path / "hub")
    (folder / "model.onnx").chmod(0o644)
    (folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(CorruptVersionError, match=r"model\.onnx"):
        export_to_hub_layout(copy, "cnn", VERSION, tmp_path / "hub")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_version_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"cnn@1 has no evaluation\.json"):
        export_to_hub_layout(make_repository(tmp_path), "cnn", 1, tmp_path / "hub")
