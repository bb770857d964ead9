from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DataError
from core.records.base import ReportedData, ReportedModel, write_report
from core.records.latency import Latency
from core.records.lookup import find_report, report_layers, report_path
from core.records.robustness import Condition, Robustness
from core.repository.manifest import FileRecord, Manifest
from core.statistics.intervals import proportion
from tests.support.versions import make_manifest

DIGEST = "d" * 64


def a_manifest(weights: str, version: int = 1) -> Manifest:
    manifest = make_manifest("cnn", version)
    return manifest.model_copy(
        update={
            "files": {"weights.safetensors": FileRecord(sha256=weights * 64, bytes=1)},
            "data": manifest.data.model_copy(update={"digest": DIGEST}),
        }
    )


def robustness(manifest: Manifest, *, seed: int = 0, digest: str = DIGEST) -> Robustness:
    return Robustness(
        model=ReportedModel.of(manifest),
        data=ReportedData(name="cifar10", digest=digest, images=4, seed=1),
        benchmark="b",
        left_out=(),
        seed=seed,
        conditions=(
            Condition(name="clean", kind="clean", level=0, setting="", accuracy=proportion(1, 4), right="gA=="),
        ),
    )


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    return report_layers(tmp_path / "home")


def test_local_records_precede_shipped_ones(layers: tuple[Path, Path]) -> None:
    manifest = a_manifest("a")
    assert find_report(Robustness, [manifest], layers) is None
    write_report(report_path(layers[1], "robustness", "cnn@1"), robustness(manifest, seed=1))
    found = find_report(Robustness, [manifest], layers)
    assert found is not None
    assert (found.record.seed, found.path) == (1, layers[1] / "robustness" / "cnn@1.json")
    write_report(report_path(layers[0], "robustness", "cnn@1"), robustness(manifest, seed=2))
    found = find_report(Robustness, [manifest], layers)
    assert found is not None
    assert found.record.seed == 2


def test_record_of_other_weights_or_data_is_skipped(layers: tuple[Path, Path]) -> None:
    manifest = a_manifest("a")
    write_report(report_path(layers[0], "robustness", "cnn@1"), robustness(a_manifest("b")))
    assert find_report(Robustness, [manifest], layers) is None
    write_report(report_path(layers[1], "robustness", "cnn@1"), robustness(manifest, seed=3))
    found = find_report(Robustness, [manifest], layers)
    assert found is not None
    assert found.record.seed == 3
    write_report(report_path(layers[1], "robustness", "cnn@1"), robustness(manifest, digest="e" * 64))
    assert find_report(Robustness, [manifest], layers) is None


def test_quick_record_is_only_found_with_quick(layers: tuple[Path, Path]) -> None:
    manifest = a_manifest("a")
    write_report(report_path(layers[0], "robustness", "cnn@1", quick=True), robustness(manifest))
    assert find_report(Robustness, [manifest], layers) is None
    assert find_report(Robustness, [manifest], layers, quick=True) is not None


def test_latency_record_needs_no_dataset(layers: tuple[Path, Path]) -> None:
    manifest = a_manifest("a")
    latency = Latency(model=ReportedModel.of(manifest), cpu="a processor", onnxruntime="1", timings=())
    write_report(report_path(layers[0], "latency", "cnn@1"), latency)
    assert find_report(Latency, [manifest], layers) is not None
    assert find_report(Latency, [a_manifest("b")], layers) is None


def test_damaged_record_is_named(layers: tuple[Path, Path]) -> None:
    path = report_path(layers[0], "robustness", "cnn@1")
    path.parent.mkdir(parents=True)
    path.write_text('{"model": ')
    with pytest.raises(DataError, match=r"cnn@1\.json is not a valid record.*make it again"):
        find_report(Robustness, [a_manifest("a")], layers)
