"""Latency and size measurements on graphs of known relative cost."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import CorruptVersionError
from core.gate import costs
from core.gate.costs import NICENESS, measure_costs, measure_latency
from core.gate.holdout import Evidence
from tests.support.holdouts import rights, split_of
from tests.support.onnx_models import write_onnx_version


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.05)


def version(folder: Path, number: int, size: int) -> Evidence:
    manifest = write_onnx_version(folder / str(number), "cnn", number, size=size)
    return Evidence(manifest, folder / str(number), split_of(rights()))


def test_larger_model_has_a_higher_latency(tmp_path: Path) -> None:
    small, large = version(tmp_path, 1, 16), version(tmp_path, 2, 512)
    measured = measure_latency(large, small)
    assert measured.ratio.low <= measured.ratio.value <= measured.ratio.high
    assert measured.ratio.low > 3
    assert measured.candidate_ms > 3 * measured.champion_ms > 0
    assert measure_latency(small, large).ratio.high < 1 / 3


def test_size_includes_graph_and_weights(tmp_path: Path) -> None:
    small, large = version(tmp_path, 1, 8), version(tmp_path, 2, 16)
    costs = measure_costs(large, small)
    files = large.manifest.files
    assert costs.candidate_bytes == files["model.onnx"].bytes + files["weights.safetensors"].bytes
    assert costs.size_ratio == large.manifest.served_bytes / small.manifest.served_bytes > 1


def test_graph_that_fails_to_run_is_named(tmp_path: Path) -> None:
    small, broken = version(tmp_path, 1, 8), version(tmp_path, 2, 8)
    (broken.folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(CorruptVersionError, match=r"cnn@2: model.onnx cannot be run \(.*"):
        measure_latency(broken, small)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_latency_thread_lowers_only_its_own_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, int]] = []
    seconds = costs._seconds

    def noting(run: Callable[[], None]) -> float:
        measuring = threading.get_native_id()
        seen.append((measuring == caller, os.getpriority(os.PRIO_PROCESS, measuring)))
        return seconds(run)

    monkeypatch.setattr(costs, "_seconds", noting)
    caller = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, caller)
    measure_latency(version(tmp_path, 1, 8), version(tmp_path, 2, 8))
    assert set(seen) == {(False, max(NICENESS, before))}
    assert os.getpriority(os.PRIO_PROCESS, caller) == before
