"""What the gate asks for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateThresholds(BaseModel):
    """Limits of the gate. Accuracies and errors are on [0, 1], a ratio is the candidate's over the champion's."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    significance: float = Field(0.05, gt=0, lt=1)
    """A gain in accuracy counts where McNemar's p is below this; so does a loss of a class, after Holm's correction."""

    non_inferiority_margin: float = Field(0.005, gt=0, lt=1)
    """How much less accurate a cheaper model may be: the lower end of the 95 % interval stays above minus this."""

    cheaper_ratio: float = Field(0.9, gt=0, lt=1)
    """Cheaper means that latency or size is at most this, and the other one at most its inverse."""

    max_calibration_loss: float = Field(0.01, ge=0, lt=1)
    """How much higher the expected calibration error may be."""

    max_corrupted_accuracy_loss: float = Field(0.02, ge=0, lt=1)
    """How much lower the accuracy on corrupted holdout images may be, at the low end of the loss's 95 % interval."""

    max_corrupted_flag_increase: float = Field(0.05, ge=0, lt=1)
    """How much larger a share of them may be flagged as out of distribution, at the low end of its 95 % interval."""

    max_latency_ratio: float = Field(4.0, gt=0)
    """How much slower a more accurate model may be."""

    max_size_ratio: float = Field(4.0, gt=0)
    """How much larger a more accurate model may be."""
