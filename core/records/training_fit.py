"""Record of the accuracy of a version on its own training images, without augmentation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import ReportedData, ReportedModel
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel


class TrainingFit(StrictModel):
    """Accuracy of the float32 graph on unchanged training images."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData = Field(description="the training images that were used")
    accuracy: ConfidenceInterval
