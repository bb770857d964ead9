"""API schemas of the images of a data set and of their edits."""

from __future__ import annotations

from pydantic import Field

from core.images.class_labels import MAX_LABEL_CHARACTERS
from core.images.edit_journal import DatasetEdit
from core.schemas.api import ResponseModel
from core.schemas.datasets import DatasetDetail
from core.schemas.models import Reason
from core.strict_model import StrictModel

MAX_CHANGES = 1_000


class DatasetImage(ResponseModel):
    """A file of a data set; it may not be an image."""

    file: str = Field(description="path within the data set")
    label: str = Field(description="class; of a removed image, the class of its folder or table")
    bytes: int = Field(ge=0)


class DatasetImages(ResponseModel):
    """Response of GET /datasets/{name}/images."""

    digest: str = Field(description="version of the data set")
    total: int = Field(ge=0, description="number of files that match")
    images: tuple[DatasetImage, ...] = Field(description="one page, sorted by class and file")


class ImageChange(StrictModel):
    """A new class for one image."""

    file: str = Field(min_length=1, max_length=4096, description="path within the data set")
    label: str | None = Field(
        min_length=1, max_length=MAX_LABEL_CHARACTERS, description="class after the edit; null removes the image"
    )


class DatasetEditRequest(StrictModel):
    """Body of POST /datasets/{name}/edits."""

    changes: tuple[ImageChange, ...] = Field(min_length=1, max_length=MAX_CHANGES)
    reason: Reason | None = Field(None, description="reason for the journal")


class DatasetEditResult(ResponseModel):
    """Response of POST /datasets/{name}/edits."""

    dataset: DatasetDetail = Field(description="the data set after the edit")
    edit: DatasetEdit | None = Field(description="the new line of the journal; null if nothing changed")


class DatasetEdits(ResponseModel):
    """Response of GET /datasets/{name}/edits."""

    total: int = Field(ge=0)
    edits: tuple[DatasetEdit, ...] = Field(description="one page, newest first")
