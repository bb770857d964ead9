"""Acceptance of an int8 graph by `quantize.accept_int8`: accuracy and speed against fp32."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from core.repository.graph_records import QuantizationRecord
from core.repository.manifest import Precision
from core.statistics.comparison import paired_difference
from training.export import quantize
from training.export.quantize import accept_int8, measure_speedup

GRAPHS: dict[Precision, Path] = {"fp32": Path("float.onnx"), "int8": Path("int8.onnx")}
HOLDOUT = 5_000
SAMPLE = np.zeros((40, 4, 4, 3), dtype=np.uint8)


def answers(wrong: slice) -> npt.NDArray[np.float32]:
    """Logits [5000, 2] that predict class 1, the true class, except for the images in `wrong`."""
    logits_NK = np.tile(np.array([0, 1], dtype=np.float32), (HOLDOUT, 1))
    logits_NK[wrong, 0] = 2
    return logits_NK


def trial(
    monkeypatch: pytest.MonkeyPatch,
    *,
    speedups: tuple[float, float] = (2.0, 3.0),
    float_wrong: slice = slice(0, 0),
    int8_wrong: slice = slice(0, 0),
) -> QuantizationRecord:
    of_size = {1: speedups[0], 32: speedups[1]}
    monkeypatch.setattr(quantize, "measure_speedup", lambda _graphs, images: of_size[len(images)])
    logits: dict[Precision, npt.NDArray[np.float32]] = {"fp32": answers(float_wrong), "int8": answers(int8_wrong)}
    return accept_int8(GRAPHS, logits, np.ones(HOLDOUT, dtype=np.int64), SAMPLE)


def test_int8_faster_and_not_inferior_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    record = trial(monkeypatch, float_wrong=slice(0, 500), int8_wrong=slice(10, 515))
    assert record.published
    assert record.verdict == "faster and not inferior"
    assert (record.speedup_batch_1, record.speedup_batch_32, record.calibration_images) == (2.0, 3.0, 40)
    # int8 alone is correct on 10 images, float32 alone on 15.
    assert record.holdout_difference == paired_difference(10, 15, HOLDOUT)
    assert record.holdout_difference.value == -5 / HOLDOUT


@pytest.mark.parametrize("speedups", [(1.49, 3.0), (3.0, 1.49)])
def test_int8_slow_on_either_batch_size_is_rejected(
    monkeypatch: pytest.MonkeyPatch, speedups: tuple[float, float]
) -> None:
    record = trial(monkeypatch, speedups=speedups)
    assert not record.published
    assert record.verdict == "less than 1.5 times as fast as float32"
    assert trial(monkeypatch, speedups=(1.5, 1.5)).published


def test_int8_worse_than_the_margin_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    record = trial(monkeypatch, int8_wrong=slice(0, 40))
    assert record.holdout_difference.low < -0.005
    assert not record.published
    assert record.verdict == "not shown to lose less than 0.5 points of accuracy"
    assert trial(monkeypatch, float_wrong=slice(0, 40)).published


def test_int8_acceptance_uses_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    # Same accuracy as float32, but errors on other images: 5,000 images cannot exclude a loss of half a point.
    record = trial(monkeypatch, float_wrong=slice(0, 200), int8_wrong=slice(200, 400))
    assert record.holdout_difference.value == 0
    assert not record.published


def test_int8_verdict_lists_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = trial(monkeypatch, speedups=(1.0, 1.0), int8_wrong=slice(0, 500)).verdict
    assert verdict == ("less than 1.5 times as fast as float32 and not shown to lose less than 0.5 points of accuracy")


@pytest.mark.parametrize(("scale", "runs"), [(0.001, 32), (1.0, 7)])
def test_speedup_is_the_ratio_of_medians_after_warmup(monkeypatch: pytest.MonkeyPatch, scale: float, runs: int) -> None:
    """Slow graphs are run less often."""
    clock = SimpleNamespace(now=0.0)
    order: list[str] = []

    class Session:
        def __init__(self, path: Path, threads: int) -> None:
            assert threads == 1
            self.name, self.runs = path.name, 0

        def run(self, outputs: list[str], inputs: dict[str, Any]) -> None:
            assert len(inputs["images"]) == 32
            order.append(self.name)
            self.runs += 1
            # int8 has slow warm-up runs, and one later outlier that would affect a mean.
            outlier = self.name == "int8.onnx" and (self.runs <= 2 or self.runs == 5)
            clock.now += scale * (300 if outlier else {"float.onnx": 3.0, "int8.onnx": 1.0}[self.name])

    monkeypatch.setattr(quantize, "open_session", Session)
    monkeypatch.setattr(quantize, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    assert measure_speedup(GRAPHS, SAMPLE[:32]) == pytest.approx(3.0)
    assert order == ["float.onnx", "int8.onnx"] * runs
