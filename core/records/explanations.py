"""Records of explanations: quality of the saliency methods, and images made by activation maximization."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import ReportedData, ReportedModel
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

MethodName = Literal["saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion"]
CheckName = Literal["deletion", "insertion", "randomisation"]
SMOOTHGRAD_NOISE = 0.05
"""Default standard deviation of SmoothGrad's noise, for pixels in [0, 1].

It is the largest measured level at which at least 90 % of the noisy copies of validation images keep the prediction,
for both shipped champions. On 100 images cnn@5 keeps 93 % at 0.05 (92 to 95 %) and 80 % at 0.07, mlp@4
keeps 93 % at 0.1. `duet interpret mlp cnn --only noise` measures it; measure it again for new champions.
"""
ControlName = Literal["moved", "other_image", "mean_map", "center"]


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


class ControlGain(StrictModel):
    """Gain of the maps of a method over one control, that is, maps with less information about the image."""

    control: ControlName = Field(
        description="moved: the map, randomly shifted; other_image: the map of another image with the same target; "
        "mean_map: the mean of the other images' maps; center: pixels by their distance from the center"
    )
    gain: ConfidenceInterval = Field(description="difference of the areas; above 0 is better than the control")


class NoiseLevel(StrictModel):
    """Share of noisy copies of validation images that keep the prediction, for one level of SmoothGrad's noise."""

    noise: float = Field(description="standard deviation of the noise; pixels are in [0, 1]")
    kept: ConfidenceInterval = Field(description="share of the copies, mean over images")


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
        description="area for the strongest control minus this; above 0 is better than all controls"
    )
    deletion_controls: tuple[ControlGain, ...] = Field(
        (), description="gain over each control; empty in older records, whose only control is the shifted map"
    )
    insertion: ConfidenceInterval | None = Field(description="area under the curve; higher is better")
    insertion_gain: ConfidenceInterval | None = Field(description="this minus the area for the strongest control")
    insertion_controls: tuple[ControlGain, ...] = ()
    sensitivity: ConfidenceInterval | None = Field(
        description="largest relative change of the map under barely visible noise (Yeh et al. 2019)"
    )
    deletion_curve: Curve | None
    insertion_curve: Curve | None
    cascade: tuple[Randomized, ...]
    other_images: ConfidenceInterval | None = Field(
        None,
        description="control of the cascade: mean Spearman correlation with the maps of other images; "
        "null in older records",
    )
    excess: ConfidenceInterval | None = Field(
        None, description="last correlation of the cascade minus `other_images`; null in older records"
    )
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[CheckName, ...]:
        """Checks that the method fails."""
        return tuple(check.name for check in self.checks if not check.passed)

    @property
    def strongest_controls(self) -> tuple[ControlName, ...]:
        """The controls that `deletion_gain` and `insertion_gain` compare with; empty in older records."""
        return tuple(
            min(gains, key=lambda each: each.gain.value).control
            for gains in (self.deletion_controls, self.insertion_controls)
            if gains
        )


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
    noise_levels: tuple[NoiseLevel, ...] = Field((), description="of SmoothGrad; empty in older records")

    def undecided(self, method: MethodEvaluation) -> tuple[CheckName, ...]:
        """Failed checks of a method whose interval includes values that pass."""
        last = method.cascade[-1].correlation if method.cascade else None
        limit = self.settings["most_correlation"]
        across = {
            "deletion": _may_be_positive(method.deletion_gain, method.deletion_controls),
            "insertion": _may_be_positive(method.insertion_gain, method.insertion_controls),
            "randomisation": last is not None
            and last.low <= limit
            and (method.excess is None or method.excess.low <= 0),
        }
        return tuple(name for name in method.failed if across[name])


def _may_be_positive(gain: ConfidenceInterval | None, controls: tuple[ControlGain, ...]) -> bool:
    return gain is not None and all(each.high > 0 for each in (gain, *(control.gain for control in controls)))


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
