"""How good the explanations of a version are: measured, method by method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record, ReportedData, ReportedModel
from core.repository.confidence_interval import ConfidenceInterval

MethodName = Literal["saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion"]
CheckName = Literal["deletion", "insertion", "randomisation"]


class Check(Record):
    """Something a method must do to be believed, and whether it does."""

    name: CheckName
    passed: bool
    reason: str = Field(description="the figures that decide, in words")


class Curve(Record):
    """The mean probability of the explained class while pixels are taken out or put in, most important first."""

    shares: tuple[float, ...] = Field(description="of the pixels that are changed")
    probability: tuple[float, ...]
    random: tuple[float, ...] = Field(description="the same in the order of the map at random places")


class Randomized(Record):
    """How much a map still looks like the trained network's, once layers from the top down have fresh weights."""

    layer: str = Field(description="the lowest layer with fresh weights; all layers above have them too")
    correlation: ConfidenceInterval = Field(
        description="Spearman's, between absolute values of the maps; mean over images"
    )


class MethodEvaluation(Record):
    """One method for one version."""

    method: MethodName
    flat: int = Field(description="maps that say nothing, being the same everywhere; the figures are of the others")
    images: int = Field(description="maps that are not flat")
    deletion: ConfidenceInterval | None = Field(
        description="area under the curve; lower is better; null where all maps are flat"
    )
    deletion_gain: ConfidenceInterval | None = Field(
        description="area for the same map at random places less this; above 0 is better than chance"
    )
    insertion: ConfidenceInterval | None = Field(description="area under the curve; higher is better")
    insertion_gain: ConfidenceInterval | None = Field(
        description="this less the area for the same map at random places"
    )
    sensitivity: ConfidenceInterval | None = Field(
        description="largest relative change of the map under noise that hardly shows (Yeh et al. 2019)"
    )
    deletion_curve: Curve | None
    insertion_curve: Curve | None
    cascade: tuple[Randomized, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[CheckName, ...]:
        """The checks that the method does not pass."""
        return tuple(check.name for check in self.checks if not check.passed)


class Explanations(Record):
    """All methods that fit a version."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData
    target: str = Field(description="the class that is explained: `predicted`, or a label")
    seed: int
    settings: dict[str, float] = Field(description="of methods and measures")
    methods: tuple[MethodEvaluation, ...]
    unfit: tuple[str, ...] = Field(
        description="methods that this version's architecture does not have, with the reason"
    )

    def undecided(self, method: MethodEvaluation) -> tuple[CheckName, ...]:
        """The checks that a method of these does not pass, but whose interval also reaches to the passing side."""
        last = method.cascade[-1].correlation if method.cascade else None
        limit = self.settings["most_correlation"]
        across = {
            "deletion": method.deletion_gain is not None and method.deletion_gain.high > 0,
            "insertion": method.insertion_gain is not None and method.insertion_gain.high > 0,
            "randomisation": last is not None and last.low <= limit,
        }
        return tuple(name for name in method.failed if across[name])
