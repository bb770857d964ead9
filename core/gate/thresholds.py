"""Gate thresholds, the setting DUET_GATE."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateThresholds(BaseModel):
    """Limits of the gate. Accuracies and errors are on [0, 1]; ratios are candidate divided by champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    significance: float = Field(0.05, gt=0, lt=1)
    """Significance level of McNemar's test for a gain in accuracy, and with Holm's correction for a loss of a class."""

    non_inferiority_margin: float = Field(0.005, gt=0, lt=1)
    """Largest accepted loss of accuracy of a cheaper model, at the lower end of the 95 % interval."""

    cheaper_ratio: float = Field(0.9, gt=0, lt=1)
    """Cheaper: latency or size ratio is at most this value, the other one at most its inverse."""

    max_calibration_loss: float = Field(0.01, ge=0, lt=1)
    """Largest accepted increase of the expected calibration error."""

    max_corrupted_accuracy_loss: float = Field(0.02, ge=0, lt=1)
    """Largest accepted loss of accuracy on corrupted holdout images, at the low end of its 95 % interval."""

    max_corrupted_flag_increase: float = Field(0.05, ge=0, lt=1)
    """Largest accepted increase of the share flagged as out of distribution, at the low end of its 95 % interval."""

    max_latency_ratio: float = Field(4.0, gt=0)
    """Largest accepted latency ratio of a more accurate model."""

    max_size_ratio: float = Field(4.0, gt=0)
    """Largest accepted size ratio of a more accurate model."""
