"""What the API answers about labelled folders of images, as data; see `core.schemas.api`."""

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
    data: str = Field(description="what training jobs call it, such as folder:pets")
    classes: int = Field(ge=0)
    images: int = Field(ge=0, description="files in the classes; what is no image is found when it is read")
    bytes: int = Field(ge=0)
    trainable: bool = Field(description="whether there are enough classes, and enough images in each")


class DatasetList(ResponseModel):
    """Answer of GET /datasets."""

    datasets: tuple[DatasetSummary, ...] = Field(description="in the order of their names")


class SkippedFile(ResponseModel):
    """A file that is not part of a data set, and why."""

    file: str
    reason: str


class DatasetDetail(ResponseModel):
    """Answer of GET /datasets/{name}, and of DELETE."""

    name: str
    data: str = Field(description="what training jobs call it, such as folder:pets")
    classes: tuple[ClassCount, ...] = Field(description="in the order of their names")
    images: int = Field(ge=0)
    bytes: int = Field(ge=0)
    digest: str = Field(description="sha256 over classes, file names and sizes; another one says that it has changed")
    shortfalls: tuple[str, ...] = Field(description="what is missing for training, a phrase each; empty: nothing")
    skipped: tuple[SkippedFile, ...] = Field(description="what lies in its folder and is in no class")


class DatasetUpload(ResponseModel):
    """Answer of POST /datasets/{name}."""

    dataset: DatasetDetail = Field(description="the data set with what was added")
    added: int = Field(ge=0)
    duplicates: int = Field(ge=0, description="images that were there already, in the same class")
    skipped: int = Field(ge=0, description="files that were left out")
    skipped_files: tuple[SkippedFile, ...] = Field(description="the first 100 of them, with reasons")


def summary(folder: LabelledFolder) -> DatasetSummary:
    """The line of a folder in a list."""
    return DatasetSummary(
        name=folder.name,
        data=folder.data,
        classes=len(folder.files),
        images=folder.images,
        bytes=folder.bytes,
        trainable=not folder.shortfalls(),
    )


def detail(folder: LabelledFolder) -> DatasetDetail:
    """All that is known of a folder without opening its files."""
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
