"""Records of data set exploration, tuning and the augmentation study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.repository.manifest import Sha256
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel


class Channel(StrictModel):
    """Statistics of one channel of the training images, on [0, 1]."""

    name: Literal["red", "green", "blue"]
    mean: float
    std: float


class ClassLook(StrictModel):
    """Brightness and contrast of the training images of one class."""

    label: str
    brightness: float = Field(description="median over images of the mean luma, 0 to 1")
    contrast: float = Field(description="median over images of the luma's standard deviation, 0 to 0.5")


class Exploration(StrictModel):
    """Statistics of a data set."""

    schema_version: Literal[1] = 1
    name: str
    digest: Sha256
    split_digest: Sha256
    height: int
    width: int
    images: dict[str, int] = Field(description="number in train, validation, holdout and test")
    smallest_class: int = Field(description="training images of the smallest class")
    largest_class: int
    channels: tuple[Channel, ...]
    brightness: float = Field(description="median over all training images")
    contrast: float
    looks: tuple[ClassLook, ...]
    exact_test_images: int = Field(description="test images with an exact copy among the training images")
    near_test_images: int = Field(description="test images with a near duplicate among the training images")
    near_conflicts: int = Field(description="near duplicate pairs with different labels")
    holdout_images: int = Field(description="holdout images with a near duplicate in train or validation")
    near_test_positions: tuple[int, ...] | None = Field(
        None, description="test images with a near duplicate among the training images; null in older records"
    )


class Choice(StrictModel):
    """A trial that differs from the recipe in one setting."""

    setting: str = Field(description="activation, loss, optimizer, ...")
    value: str
    epochs: int = Field(description="number of epochs, fewer if stopped early; 0: the loss became infinite")
    accuracy: float | None = Field(description="on the validation images after these epochs; null if it diverged")
    difference: ConfidenceInterval | None = Field(
        description="accuracy minus the recipe's after as many epochs; the interval treats both as separate samples of "
        "the validation images, and ignores the variance over seeds"
    )


class Confirmed(StrictModel):
    """Recipe and best trial with new seeds, on images that the search did not use."""

    seeds: int
    gain: ConfidenceInterval = Field(
        description="accuracy of the best trial minus the recipe's, paired by seed; Student's t"
    )


class Tuning(StrictModel):
    """One tuning."""

    schema_version: Literal[1] = 1
    name: str
    recipe: str
    architecture: str
    data_digest: Sha256
    trials: int
    epochs: int
    share: float = Field(description="of the training images")
    minutes: float = Field(description="wall time")
    settings: dict[str, str] = Field(
        default_factory=dict, description="overrides of the recipe for every trial, such as its width"
    )
    own: dict[str, str] = Field(description="the recipe's own values of the settings that were tried alone")
    choices: tuple[Choice, ...]
    baseline: float = Field(description="validation accuracy of the recipe as it is")
    best: float = Field(description="validation accuracy of the best trial")
    changes: dict[str, str] = Field(description="overrides of the best trial; empty if the recipe was best")
    importances: dict[str, float] = Field(
        description="fANOVA importances over the completed trials, largest first; empty if unknown"
    )
    unvaried: tuple[str, ...] | None = Field(
        None,
        description="settings that did not vary among the completed trials, so that their importance is unknown; null "
        "in older records, which give them 0",
    )
    whole: int | None = Field(None, description="completed trials; null in older records")
    confirmed: Confirmed | None

    @property
    def comparable_choices(self) -> tuple[Choice, ...]:
        """The choices, except other optimizers, because their best learning rates are unknown."""
        return tuple(each for each in self.choices if each.setting != "optimizer")


class Step(StrictModel):
    """One step of an augmentation study; steps are cumulative."""

    recipe: str
    step: str
    accuracy: ConfidenceInterval = Field(description="on the validation images, mean over seeds; Student's t")
    difference: ConfidenceInterval | None = Field(description="to the step before, paired by seed; null for the first")


class TaughtBy(StrictModel):
    """Teacher of the distillation step of a study."""

    reference: str
    recipe: str
    weights: Sha256
    test_accuracy: float


class AugmentationStudy(StrictModel):
    """One augmentation study."""

    schema_version: Literal[1] = 1
    name: str
    data_digest: Sha256
    split_digest: Sha256 = Field(description="digest of the training images that were used")
    images: int = Field(description="training images of every run")
    seeds: int
    epochs: dict[str, int] = Field(description="of each recipe")
    settings: dict[str, dict[str, str]] = Field(description="by recipe: overrides for every step, such as its width")
    strengths: dict[str, dict[str, str]] = Field(
        description="by recipe: strength of its steps, such as pixels of shift, side of the cutout, alpha of mixup"
    )
    teacher: TaughtBy | None = Field(description="null without distillation")
    minutes: float = Field(description="of training")
    steps: tuple[Step, ...]
