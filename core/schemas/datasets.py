"""API schemas of data sets (labeled folders)."""

from __future__ import annotations

from pydantic import Field

from core.images.labelled_folders import LabelledFolder
from core.schemas.api import ResponseModel


class ClassCount(ResponseModel):
    """One class of a data set."""

    label: str
    images: int = Field(ge=0)


class DatasetSummary(ResponseModel):
    """A data set in a list."""

    name: str
    data: str = Field(description="name in training jobs, such as folder:pets")
    classes: int = Field(ge=0)
    images: int = Field(
        ge=0, description="files in the classes; files that are not images are only found when they are read"
    )
    bytes: int = Field(ge=0)
    trainable: bool = Field(description="true if there are enough classes, and enough images in each")


class DatasetList(ResponseModel):
    """Response of GET /datasets."""

    datasets: tuple[DatasetSummary, ...] = Field(description="sorted by name")


class SkippedFile(ResponseModel):
    """A file that is not part of a data set, and why."""

    file: str
    reason: str


class DatasetDetail(ResponseModel):
    """Response of GET and DELETE /datasets/{name}."""

    name: str
    data: str = Field(description="name in training jobs, such as folder:pets")
    classes: tuple[ClassCount, ...] = Field(description="sorted by name")
    images: int = Field(ge=0)
    bytes: int = Field(ge=0)
    digest: str = Field(description="sha256 of classes, file names and sizes; changes with the data set")
    shortfalls: tuple[str, ...] = Field(description="reasons against training, a phrase each; empty if trainable")
    skipped: tuple[SkippedFile, ...] = Field(description="ignored entries of the folder")


class DatasetUpload(ResponseModel):
    """Response of POST /datasets/{name}."""

    dataset: DatasetDetail = Field(description="the data set after the upload")
    added: int = Field(ge=0)
    duplicates: int = Field(ge=0, description="images that the class already has")
    skipped: int = Field(ge=0, description="ignored files")
    skipped_files: tuple[SkippedFile, ...] = Field(description="the first 100 ignored files, with reasons")


def summary(described: DatasetDetail) -> DatasetSummary:
    """The summary of a data set for a list."""
    return DatasetSummary(
        name=described.name,
        data=described.data,
        classes=len(described.classes),
        images=described.images,
        bytes=described.bytes,
        trainable=not described.shortfalls,
    )


def detail(folder: LabelledFolder) -> DatasetDetail:
    """The details of a folder; its files are not opened."""
    return DatasetDetail(
        name=folder.name,
        data=folder.data,
        classes=tuple(ClassCount(label=label, images=len(files)) for label, files in folder.files.items()),
        images=folder.images,
        bytes=folder.bytes,
        digest=folder.digest,
        shortfalls=tuple(folder.shortfalls()),
        skipped=tuple(SkippedFile(file=file, reason=reason) for file, reason in folder.skipped[:100]),
    )


class BuiltinDataset(ResponseModel):
    """Response of GET /datasets/cifar10."""

    name: str
    data: str = Field(description="name in training jobs")
    classes: int = Field(ge=2)
    images: int = Field(ge=0)
    available: bool = Field(description="whether jobs find its files; their md5 is checked when a job reads them")
    download: str = Field(description="POST here to download it")
    download_bytes: int = Field(ge=0)
