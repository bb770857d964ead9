"""Records of robustness and latency for small versions, for comparison tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.records.base import ReportedData, ReportedModel, write_report
from core.records.latency import Latency, LatencyTiming
from core.records.lookup import report_path
from core.records.robustness import Condition, ConditionKind, Robustness
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval

IMAGES = 40
CONDITIONS: tuple[tuple[str, ConditionKind, tuple[float, ...]], ...] = (
    ("clean", "clean", (1.0,)),
    ("gaussian_noise", "noise", (0.9, 0.6)),
    ("fog", "weather", (0.8, 0.7)),
    ("rotation", "rotation", (0.5,)),
)
"""Name, kind, and the share of the clean accuracy that is left at each level."""


def write_robustness(layer: Path, manifest: Manifest, *, clean: float, seed: int = 0) -> Robustness:
    """A record of this version, right on the first images of 40, as many as `clean` and the condition leave."""
    record = Robustness(
        model=ReportedModel.of(manifest),
        data=ReportedData(name="grays", digest=manifest.data.digest, images=IMAGES, seed=seed),
        benchmark="CIFAR-10-C (regenerated)",
        left_out=("frost: it needs photographs",),
        seed=0,
        conditions=tuple(
            Condition.of(
                name, kind, level if kind != "clean" else 0, f"step {level}", np.arange(IMAGES) < IMAGES * clean * share
            )
            for name, kind, shares in CONDITIONS
            for level, share in enumerate(shares, start=1)
        ),
    )
    write_report(report_path(layer, "robustness", manifest.reference), record)
    return record


def write_latency(layer: Path, manifest: Manifest, *, ms: float) -> Latency:
    """A record that says that one image takes this version so many milliseconds."""
    timing = LatencyTiming(
        precision="fp32", batch=1, ms=ConfidenceInterval(value=ms, low=0.9 * ms, high=1.1 * ms), runs=50
    )
    record = Latency(model=ReportedModel.of(manifest), cpu="a processor", onnxruntime="1.23.0", timings=(timing,))
    write_report(report_path(layer, "latency", manifest.reference), record)
    return record
