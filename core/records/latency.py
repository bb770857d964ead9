"""Record of inference latency of a version on a named machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import ReportedModel
from core.repository.manifest import Precision
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel


class LatencyTiming(StrictModel):
    """Latency of one precision at one batch size."""

    precision: Precision
    batch: int = Field(gt=0, description="images per run of the graph")
    ms: ConfidenceInterval = Field(description="CPU milliseconds per image: median over runs with bootstrap interval")
    runs: int = Field(gt=0)


class Latency(StrictModel):
    """Latency of one version in onnxruntime on one thread."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    cpu: str = Field(description="processor with its relevant instruction set extensions")
    onnxruntime: str
    timings: tuple[LatencyTiming, ...]

    def of(self, precision: Precision, batch: int) -> LatencyTiming | None:
        """The timing of a precision and batch size; None if not measured."""
        return next((each for each in self.timings if (each.precision, each.batch) == (precision, batch)), None)
