"""Label-free accuracy: record of the fit for two versions, and of its error under corruptions and rotations."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.records.base import ReportedData, ReportedModel
from core.records.robustness import CORRUPTION_KINDS, ConditionKind
from core.repository.graph_records import Probability
from core.sequential.disagreement import CorrectnessModel, Inputs
from core.strict_model import StrictModel


class EstimatedCondition(StrictModel):
    """Accuracy under one condition that the fit has not seen, and its estimate."""

    name: str
    kind: ConditionKind
    level: int = Field(ge=0, description="as in the record of robustness")
    accuracy: Probability
    estimate: Probability = Field(description="without labels")


class Candidate(StrictModel):
    """Inputs that were tried on the corrupted holdout images."""

    inputs: Inputs
    error: float = Field(
        description="mean absolute error on the kind of corruption left out of the fit, over all kinds"
    )


class LabelFreeFit(StrictModel):
    """Fit and error for one version."""

    model: ReportedModel
    candidates: tuple[Candidate, ...]
    correctness: CorrectnessModel = Field(description="the candidate with the smallest error, fitted on all conditions")
    conditions: tuple[EstimatedCondition, ...]

    def error(self, *kinds: ConditionKind) -> float:
        """Mean absolute error over the conditions of these kinds, by default all corruptions; NaN without any."""
        chosen = [each for each in self.conditions if each.kind in (kinds or CORRUPTION_KINDS)]
        return float(np.mean([abs(each.estimate - each.accuracy) for each in chosen])) if chosen else float("nan")

    @property
    def largest_error(self) -> float:
        """Largest absolute error over all conditions."""
        return max(abs(each.estimate - each.accuracy) for each in self.conditions)


class LabelFree(StrictModel):
    """Label-free accuracy of two versions, each with the other one's answers."""

    schema_version: Literal[1] = 1
    data: ReportedData = Field(description="test images, for the errors")
    holdout: ReportedData = Field(description="holdout images, for the fit")
    seed: int = Field(description="seed of the corruptions")
    fits: tuple[LabelFreeFit, LabelFreeFit]

    def fit_of(self, reference: str) -> LabelFreeFit:
        """The fit for a version, such as cnn@4.

        Raises:
            KeyError: the record is not about this version.
        """
        return {each.model.reference: each for each in self.fits}[reference]
