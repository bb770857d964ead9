"""How long a version takes for an image on a named machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record, ReportedModel
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import Precision


class Timing(Record):
    """One precision at one size of batch."""

    precision: Precision
    batch: int = Field(gt=0, description="images in one run of the graph")
    ms: ConfidenceInterval = Field(
        description="milliseconds of processor time for each image: median over runs, bootstrap"
    )
    runs: int = Field(gt=0)


class Latency(Record):
    """One version, run by onnxruntime on one thread."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    cpu: str = Field(description="the processor, with the extensions that decide the speed of inference")
    onnxruntime: str
    timings: tuple[Timing, ...]

    def of(self, precision: Precision, batch: int) -> Timing | None:
        """One of the timings; None where it was not measured."""
        return next((each for each in self.timings if (each.precision, each.batch) == (precision, batch)), None)
