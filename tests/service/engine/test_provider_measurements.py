from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.repository.manifest import Manifest
from service.engine import provider_measurements
from service.engine.provider_measurements import MAX_FILES, Measurement, Measurements, MeasurementStore
from tests.support.onnx_models import write_onnx_version

FOUND = Measurements(
    references={"model.onnx": ((0.25, 0.75),)},
    results=(Measurement(provider="openvino", precision="bf16", images_per_second=3.5, equal_classes=1.0),),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write_onnx_version(tmp_path / "cnn" / "1", "cnn", 1)


def test_measurements_are_those_of_version_machine_and_packages(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MeasurementStore(tmp_path / "store", ["onnxruntime 1"])
    assert store.read(manifest) == Measurements()
    store.write(manifest, FOUND)
    assert MeasurementStore(tmp_path / "store", ["onnxruntime 1"]).read(manifest) == FOUND
    assert MeasurementStore(tmp_path / "store", ["onnxruntime 2"]).read(manifest) == Measurements()
    other = write_onnx_version(tmp_path / "cnn" / "2", "cnn", 2, inverted=True)
    assert store.read(other) == Measurements()
    monkeypatch.setattr(provider_measurements, "cpu_name", lambda: "another CPU")
    assert MeasurementStore(tmp_path / "store", ["onnxruntime 1"]).read(manifest) == Measurements()


def test_damaged_file_is_measured_again(manifest: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = MeasurementStore(tmp_path / "store", [])
    store.write(manifest, FOUND)
    [path] = (tmp_path / "store").iterdir()
    path.write_bytes(b"{")
    assert store.read(manifest) == Measurements()
    assert "measuring again" in caplog.text


def test_oldest_files_are_deleted(manifest: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    for index in range(MAX_FILES + 3):
        (folder / f"{index}.json").write_bytes(b"{}")
        os.utime(folder / f"{index}.json", (index, index))
    MeasurementStore(folder, []).write(manifest, FOUND)
    left = {path.name for path in folder.iterdir()}
    assert len(left) == MAX_FILES
    assert not left & {f"{index}.json" for index in range(4)}


def test_folder_that_cannot_be_made_is_not_an_error(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    store = MeasurementStore(tmp_path / "store", [])
    store.write(manifest, FOUND)
    assert store.read(manifest) == Measurements()
