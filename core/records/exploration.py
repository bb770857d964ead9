"""What a data set holds, in the figures that the written report shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record
from core.repository.manifest import Sha256


class Channel(Record):
    """Values of one channel of the training images, on the scale from 0 to 1."""

    name: Literal["red", "green", "blue"]
    mean: float
    std: float


class ClassLook(Record):
    """How the training images of one class look."""

    label: str
    brightness: float = Field(description="median over images of the mean luma, 0 to 1")
    contrast: float = Field(description="median over images of the luma's standard deviation, 0 to 0.5")


class Exploration(Record):
    """A data set in numbers."""

    schema_version: Literal[1] = 1
    name: str
    digest: Sha256
    split_digest: Sha256
    height: int
    width: int
    images: dict[str, int] = Field(description="of train, validation, holdout and test")
    smallest_class: int = Field(description="training images of the class that has fewest")
    largest_class: int
    channels: tuple[Channel, ...]
    brightness: float = Field(description="median over all training images")
    contrast: float
    looks: tuple[ClassLook, ...]
    exact_test_images: int = Field(description="test images with an exact copy among the training images")
    near_test_images: int = Field(description="test images that show nearly the same as a training image")
    near_conflicts: int = Field(description="pairs of those whose two labels differ")
    holdout_images: int = Field(description="holdout images with a near duplicate in train or validation")
