"""API schemas of the report on a data set: classes, image sizes, duplicates, unreadable files and warnings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.schemas.api import ResponseModel
from core.schemas.datasets import SkippedFile

WarningKind = Literal[
    "too_few",
    "few_images",
    "unequal_classes",
    "unreadable",
    "contradictory_labels",
    "exact_copies",
    "near_duplicates",
    "near_duplicates_across_classes",
    "small_images",
]
SAMPLES = 6
MAX_LISTED = 100


class DatasetWarning(ResponseModel):
    """A property of the data set that makes a training impossible or its model worse."""

    kind: WarningKind
    text: str = Field(description="a sentence")


class LabelledFile(ResponseModel):
    """A file with its class."""

    file: str
    label: str


class ClassStatistics(ResponseModel):
    """Readable images of one class."""

    label: str
    images: int = Field(ge=0, description="readable images")
    brightness: float | None = Field(
        description="median of the mean of an image's values, on [0, 1]; null without images"
    )
    contrast: float | None = Field(
        description="median of the standard deviation of an image's values, on [0, 0.5]; null without images"
    )
    samples: tuple[str, ...] = Field(description=f"up to {SAMPLES} of its files, evenly spaced")


class DuplicateGroup(ResponseModel):
    """Images that show nearly the same picture."""

    exact: bool = Field(description="true if the files have the same content")
    labels_differ: bool = Field(description="true if the images have different classes")
    files: tuple[LabelledFile, ...] = Field(description=f"the first {MAX_LISTED}")


class SideLengths(ResponseModel):
    """Lengths of the shorter side of the images, in pixels."""

    smallest: int
    median: int
    largest: int


class DatasetReport(ResponseModel):
    """Contents of the readable images of a data set."""

    digest: str = Field(description="version of the data set")
    images: int = Field(ge=0, description="readable images")
    classes: tuple[ClassStatistics, ...]
    sides: SideLengths | None = Field(description="null without images")
    unreadable: int = Field(ge=0)
    unreadable_files: tuple[SkippedFile, ...] = Field(description=f"the first {MAX_LISTED}, with reasons")
    duplicate_groups: int = Field(ge=0)
    duplicates: tuple[DuplicateGroup, ...] = Field(
        description=f"the first {MAX_LISTED} groups; those with different classes come first"
    )
    warnings: tuple[DatasetWarning, ...]


class DatasetReportStatus(ResponseModel):
    """Response of GET /datasets/{name}/report."""

    state: Literal["running", "ready", "failed"]
    read: int = Field(ge=0, description="number of files that have been read")
    files: int = Field(ge=0, description="number of files to read")
    error: str | None = Field(description="why the report failed")
    report: DatasetReport | None = Field(description="null unless the state is ready")
