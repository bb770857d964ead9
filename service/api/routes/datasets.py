"""/datasets: labelled images for training, a folder of each class, sent as a zip or one by one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request

from core.errors import DataError, UnknownDatasetError
from core.images.labelled_folders import (
    MAX_LABEL_CHARACTERS,
    NAME_PATTERN,
    RESERVED_NAMES,
    LabelledFolder,
    dataset_names,
    label_problem,
    read_folder,
)
from core.schemas.datasets import (
    ClassCount,
    DatasetDetail,
    DatasetList,
    DatasetSummary,
    DatasetUpload,
    SkippedFile,
    detail,
    summary,
)
from service.api.common.openapi_bodies import success
from service.datasets.uploads import DatasetUploader
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DatasetMediaTypeError,
    DatasetTooLargeError,
    InternalServiceError,
    InvalidParametersError,
    MalformedBodyError,
    NoSuchDatasetError,
    NotReadyError,
    NoUsableImageError,
    StorageFullError,
    TooManyFilesError,
    TooManyUploadsError,
    UnreadableArchiveError,
    UnsafeArchiveError,
    WrongFieldError,
    responses,
)
from service.http.multipart import FIELD
from service.security.dependencies import CALLER_ERRORS, JobsCaller
from service.settings import Settings

router = APIRouter(prefix="/datasets", tags=["datasets"])

_DETAIL = DatasetDetail(
    name="pets",
    data="folder:pets",
    classes=(ClassCount(label="cat", images=120), ClassCount(label="dog", images=2)),
    images=122,
    bytes=6_400_000,
    digest="3f" * 32,
    shortfalls=("class 'dog' has 2 images and needs at least 4",),
    skipped=(),
)
_DETAIL_EXAMPLE: Any = _DETAIL.model_dump(mode="json")
_LIST_EXAMPLE: Any = DatasetList(
    datasets=(DatasetSummary(name="pets", data="folder:pets", classes=2, images=122, bytes=6_400_000, trainable=False),)
).model_dump(mode="json")
_UPLOAD_EXAMPLE: Any = DatasetUpload(
    dataset=_DETAIL,
    added=21,
    duplicates=1,
    skipped=1,
    skipped_files=(SkippedFile(file="dog/notes.txt", reason="the data is not an image that is read here"),),
).model_dump(mode="json")
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: {"type": "array", "items": _BINARY, "minItems": 1}},
    "additionalProperties": False,
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a zip with a folder of images for each class, or, with `label`, images of one class: as the "
        "body itself or in the form's field `file`",
        "content": {
            "application/zip": {"schema": _BINARY},
            "multipart/form-data": {"schema": _FORM},
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}

Name = Annotated[str, Path(pattern=NAME_PATTERN, description="of the data set; jobs call it folder:NAME")]
Label = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_LABEL_CHARACTERS,
        description="the class of every image sent, where they are not in a zip",
    ),
]


async def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def _intake(request: Request) -> DatasetUploader:
    uploader: DatasetUploader = request.state.uploader
    return uploader


SettingsDep = Annotated[Settings, Depends(_settings)]
IntakeDep = Annotated[DatasetUploader, Depends(_intake)]


@router.get(
    "", responses={**success(_LIST_EXAMPLE, "Every data set"), **responses(InternalServiceError, NotReadyError)}
)
def list_datasets(settings: SettingsDep) -> DatasetList:
    """List the data sets that were sent here or lie under DUET_HOME/datasets."""
    listed = []
    for name in dataset_names(settings.home):
        try:
            listed.append(summary(read_folder(settings.home, name)))
        except UnknownDatasetError:  # removed since the names were read
            continue
    return DatasetList(datasets=tuple(listed))


@router.get(
    "/{name}",
    responses={
        **success(_DETAIL_EXAMPLE, "The data set with its classes"),
        **responses(NoSuchDatasetError, InvalidParametersError, InternalServiceError, NotReadyError),
    },
)
def get_dataset(name: Name, settings: SettingsDep) -> DatasetDetail:
    """Describe one data set: how many images each class has, and what is missing for training."""
    return detail(_found(name, settings))


@router.post(
    "/{name}",
    responses={
        **success(_UPLOAD_EXAMPLE, "What was added, and the data set with it"),
        **responses(
            *CALLER_ERRORS,
            MalformedBodyError,
            BodyTimeoutError,
            BodyTooLargeError,
            DatasetTooLargeError,
            DatasetMediaTypeError,
            InvalidParametersError,
            WrongFieldError,
            TooManyFilesError,
            UnreadableArchiveError,
            UnsafeArchiveError,
            NoUsableImageError,
            TooManyUploadsError,
            InternalServiceError,
            NotReadyError,
            StorageFullError,
        ),
    },
    openapi_extra=_BODY,
)
async def add_images(
    name: Name, request: Request, _: JobsCaller, uploader: IntakeDep, label: Label = None
) -> DatasetUpload:
    """Add labelled images to a data set, which need not exist yet.

    Files that are no images are left out and named in the answer; images that are there already are counted and not
    added again. Either everything else is added or, where the answer is an error, nothing.
    """
    _refuse_reserved(name)
    problem = None if label is None else label_problem(label)
    if problem is not None:
        raise InvalidParametersError([("label", problem)])
    folder, summary = await uploader.add(
        name,
        label,
        request.headers.get("content-type", ""),
        _stated_length(request),
        request.receive,
        started=request.state.context.started,
    )
    return DatasetUpload(
        dataset=detail(folder),
        added=summary.added,
        duplicates=summary.duplicates,
        skipped=len(summary.skipped),
        skipped_files=tuple(SkippedFile(file=file, reason=reason) for file, reason in summary.skipped[:100]),
    )


@router.delete(
    "/{name}",
    responses={
        **success(_DETAIL_EXAMPLE, "The data set as it was"),
        **responses(*CALLER_ERRORS, NoSuchDatasetError, InvalidParametersError, InternalServiceError, NotReadyError),
    },
)
def delete_dataset(name: Name, _: JobsCaller, settings: SettingsDep, uploader: IntakeDep) -> DatasetDetail:
    """Delete a data set for good; versions that were trained on it stay."""
    found = _found(name, settings)
    try:
        uploader.remove(name)
    except FileNotFoundError:
        raise NoSuchDatasetError(name, dataset_names(settings.home)) from None
    return detail(found)


def _found(name: str, settings: Settings) -> LabelledFolder:
    _refuse_reserved(name)
    try:
        return read_folder(settings.home, name)
    except UnknownDatasetError:
        raise NoSuchDatasetError(name, dataset_names(settings.home)) from None
    except DataError as error:
        raise NotReadyError(str(error)) from error


def _refuse_reserved(name: str) -> None:
    if name in RESERVED_NAMES:
        raise InvalidParametersError([("name", f"{name} is a built-in data set: choose another name")])


def _stated_length(request: Request) -> int | None:
    stated = request.headers.get("content-length")
    if stated is None:
        return None
    if not (stated.isascii() and stated.isdecimal()) or len(stated) > 18:
        raise MalformedBodyError(f"Content-Length {stated[:40]!r} is not a number that can be")
    return int(stated)
