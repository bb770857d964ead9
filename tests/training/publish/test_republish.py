from pathlib import Path

import pytest

from core.errors import DataError
from core.repository.manifest import GRADIENT_GRAPH, MANIFEST_NAME
from tests.support.published_pair import PublishedPair, copied_pair
from tests.support.training_runs import RecordingReporter, let_int8_fail, let_int8_pass, small_images
from training.publish.republish import republish

pytestmark = pytest.mark.slow


@pytest.fixture
def copied(pair: PublishedPair, tmp_path: Path) -> PublishedPair:
    return copied_pair(pair, tmp_path)


def test_republish_keeps_weights_and_names_the_origin(copied: PublishedPair, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, images, first = copied.repository, copied.images, copied.cnn
    let_int8_fail(monkeypatch)
    second = republish(repository, "cnn", 1, images, reporter=RecordingReporter())
    assert (second.version, second.derived_from) == (2, "cnn@1")
    repository.verify("cnn", 2)
    for name in ("weights.safetensors", "history.jsonl", "model.onnx", "gradient.onnx"):
        assert second.files[name].sha256 == first.files[name].sha256
    assert (second.metrics, second.gradient, second.cost) == (first.metrics, first.gradient, first.cost)

    let_int8_pass(monkeypatch)
    third = republish(repository, "cnn", 1, images, reporter=RecordingReporter())
    assert third.files.keys() - second.files.keys() == {"model.int8.onnx"}
    assert third.calibration.keys() == {"fp32", "int8"}
    repository.verify("cnn", 3)

    with pytest.raises(DataError, match=r"cnn@1 was trained on cifar10.*--data-dir"):
        republish(repository, "cnn", 1, small_images(seed=3), reporter=RecordingReporter())


def test_republish_adds_a_missing_gradient_graph(copied: PublishedPair, monkeypatch: pytest.MonkeyPatch) -> None:
    let_int8_fail(monkeypatch)
    repository, first, folder = copied.repository, copied.mlp, copied.folder(copied.mlp)
    (folder / GRADIENT_GRAPH).unlink()
    files = {name: record for name, record in first.files.items() if name != GRADIENT_GRAPH}
    cost = first.cost.model_copy(update={"teacher_seconds": 12.5})
    old = first.model_copy(update={"files": files, "cost": cost})
    (folder / MANIFEST_NAME).write_text(old.model_dump_json(exclude={"gradient": True, "input": {"geometry"}}))
    assert repository.verify("mlp", 1).gradient is None

    second = republish(repository, "mlp", 1, copied.images, reporter=RecordingReporter())
    assert GRADIENT_GRAPH in second.files
    assert second.cost == cost
    # Versions without a geometry field stretch, and so does the republished version.
    assert (first.input.geometry, second.input.geometry) == ("crop", "stretch")
    assert second.gradient is not None
    # 20 validation images and 160 training images.
    assert (second.gradient.images, second.gradient.max_relative_error < 1e-5) == (180, True)
