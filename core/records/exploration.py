"""Record of data set exploration: sizes, channel statistics and duplicates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record
from core.repository.manifest import Sha256


class Channel(Record):
    """Statistics of one channel of the training images, on [0, 1]."""

    name: Literal["red", "green", "blue"]
    mean: float
    std: float


class ClassLook(Record):
    """Brightness and contrast of the training images of one class."""

    label: str
    brightness: float = Field(description="median over images of the mean luma, 0 to 1")
    contrast: float = Field(description="median over images of the luma's standard deviation, 0 to 0.5")


class Exploration(Record):
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
