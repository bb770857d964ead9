"""Records of explanations: quality of the saliency methods, and images made by activation maximization."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import ReportedData, ReportedModel
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

MethodName = Literal["saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion"]
CheckName = Literal["deletion", "insertion", "randomisation"]


class Check(StrictModel):
    """Result of one quality check of a method."""

    name: CheckName
    passed: bool
    reason: str = Field(description="the deciding figures, in words")


class Curve(StrictModel):
    """Mean probability of the explained class while pixels are deleted or inserted, most important first."""

    shares: tuple[float, ...] = Field(description="shares of changed pixels")
    probability: tuple[float, ...]
    random: tuple[float, ...] = Field(description="the same in the order of a randomly shifted map")


class Randomized(StrictModel):
    """Sanity check: similarity to the original map after layers from the top down are randomized."""

    layer: str = Field(description="lowest randomized layer; all layers above are randomized too")
    correlation: ConfidenceInterval = Field(
        description="Spearman correlation of the absolute values of the maps, mean over images"
    )


class MethodEvaluation(StrictModel):
    """One method for one version."""

    method: MethodName
    flat: int = Field(description="maps with equal values everywhere, which are excluded from the figures")
    images: int = Field(description="maps that are not flat")
    deletion: ConfidenceInterval | None = Field(
        description="area under the curve; lower is better; null if all maps are flat"
    )
    deletion_gain: ConfidenceInterval | None = Field(
        description="area for randomly shifted maps minus this; above 0 is better than chance"
    )
    insertion: ConfidenceInterval | None = Field(description="area under the curve; higher is better")
    insertion_gain: ConfidenceInterval | None = Field(description="this minus the area for randomly shifted maps")
    sensitivity: ConfidenceInterval | None = Field(
        description="largest relative change of the map under barely visible noise (Yeh et al. 2019)"
    )
    deletion_curve: Curve | None
    insertion_curve: Curve | None
    cascade: tuple[Randomized, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[CheckName, ...]:
        """Checks that the method fails."""
        return tuple(check.name for check in self.checks if not check.passed)


class Explanations(StrictModel):
    """Quality of all methods that a version supports."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData
    target: str = Field(description="explained class: `predicted`, or a label")
    seed: int
    settings: dict[str, float] = Field(description="of methods and measures")
    methods: tuple[MethodEvaluation, ...]
    unfit: tuple[str, ...] = Field(description="methods that the architecture does not support, with the reason")

    def undecided(self, method: MethodEvaluation) -> tuple[CheckName, ...]:
        """Failed checks of a method whose interval includes values that pass."""
        last = method.cascade[-1].correlation if method.cascade else None
        limit = self.settings["most_correlation"]
        across = {
            "deletion": method.deletion_gain is not None and method.deletion_gain.high > 0,
            "insertion": method.insertion_gain is not None and method.insertion_gain.high > 0,
            "randomisation": last is not None and last.low <= limit,
        }
        return tuple(name for name in method.failed if across[name])


ClassObjective = Literal["logit", "log_odds"]


class NearestImage(StrictModel):
    """The training image most similar to a generated image."""

    position: int = Field(description="among the training images of the data set")
    label: str
    similarity: float = Field(description="cosine of whitened thumbnails, at most 1; above 0.8 is practically a copy")


class MaximisedImage(StrictModel):
    """One generated image and its objective."""

    kind: Literal["class", "channel"]
    name: str = Field(description="label of the class, or block and number of the channel")
    seed: int
    excitation: float = Field(description="the logit of the class, or the mean of the channel, for the image")
    before: float = Field(description="the same for the initial image of the ascent")
    own_label: str = Field(description="prediction of the model that the image was made for")
    own_probability: float | None = Field(description="its probability of the target class; null for a channel")
    other_label: str = Field(description="prediction of the other model")
    other_probability: float | None = Field(description="its probability of the target class; null for a channel")
    nearest: NearestImage
    file: str = Field(description="PNG file of the image, beside this record")


class ModelActivations(StrictModel):
    """The images made for one model."""

    model: ReportedModel
    other: ReportedModel = Field(description="other model that predicts the images")
    images: tuple[MaximisedImage, ...]
    transfer: float = Field(description="share of the class images that the other model assigns to the target class")
    recognised: float = Field(description="share of the class images that the model assigns to the target class")


class Activations(StrictModel):
    """The images of both models."""

    schema_version: Literal[1] = 1
    data: ReportedData
    steps: int = Field(description="of gradient ascent")
    class_objective: ClassObjective = Field(
        "logit",
        description="objective for a class: its logit (also in records without this field), or the log-odds of its "
        "probability",
    )
    models: tuple[ModelActivations, ModelActivations]
