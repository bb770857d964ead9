"""What tuning and the augmentation study found out: which choices help which recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import Sha256


class Choice(Record):
    """A trial that differs from the recipe in one choice."""

    setting: str = Field(description="activation, loss, optimizer, ...")
    value: str
    epochs: int = Field(description="that it had, be it that it was ended early; 0: its loss became infinite")
    accuracy: float | None = Field(description="on the validation images after those epochs; null where it diverged")
    difference: ConfidenceInterval | None = Field(
        description="accuracy less the recipe's after as many epochs; the interval takes both for separate samples of "
        "the validation images, and knows nothing of the luck of one seed"
    )


class Confirmed(Record):
    """Recipe and best trial with new seeds, on images that the search had not seen."""

    seeds: int
    gain: ConfidenceInterval = Field(
        description="accuracy of the best trial less the recipe's, seed by seed; Student's t"
    )


class Tuning(Record):
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
        default_factory=dict, description="what was changed in the recipe for every trial, such as its width"
    )
    own: dict[str, str] = Field(description="what the recipe itself has of the settings that were tried alone")
    choices: tuple[Choice, ...]
    baseline: float = Field(description="validation accuracy of the recipe as it is")
    best: float = Field(description="validation accuracy of the best trial")
    changes: dict[str, str] = Field(description="of the best trial; empty where the recipe itself was best")
    importances: dict[str, float] = Field(
        description="by fANOVA over the trials that ran to their end, the largest first; empty where nothing is known"
    )
    unvaried: tuple[str, ...] | None = Field(
        None,
        description="settings that were searched but not varied among the trials that ran to their end, so that their "
        "importance is unknown; null of older records, which give them 0",
    )
    whole: int | None = Field(None, description="trials that ran to their end; null of older records")
    confirmed: Confirmed | None


class Step(Record):
    """One step of an augmentation study: it adds to those before it."""

    recipe: str
    step: str
    accuracy: ConfidenceInterval = Field(description="on the validation images, mean over seeds; Student's t")
    difference: ConfidenceInterval | None = Field(description="to the step before, seed by seed; null of the first")


class TaughtBy(Record):
    """The version that a study's step of distillation learns from."""

    reference: str
    recipe: str
    weights: Sha256
    test_accuracy: float


class AugmentationStudy(Record):
    """One augmentation study."""

    schema_version: Literal[1] = 1
    name: str
    data_digest: Sha256
    split_digest: Sha256 = Field(description="of the part of the training images that it worked with")
    images: int = Field(description="that every run is trained on")
    seeds: int
    epochs: dict[str, int] = Field(description="of each recipe")
    settings: dict[str, dict[str, str]] = Field(
        description="of each recipe, what was changed in it for every step, such as its width"
    )
    strengths: dict[str, dict[str, str]] = Field(
        description="of each recipe, how strong its steps are: pixels of shift, side of the square, alpha of mixup"
    )
    teacher: TaughtBy | None = Field(description="null where no step is taught")
    minutes: float = Field(description="of training")
    steps: tuple[Step, ...]
