"""/datasets/{name}/images, thumbnail, edits and report: a look at the images of a data set, and corrections."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.errors import DataError, JournalFullError, UnknownDatasetError, UnknownImageError
from core.images.class_labels import MAX_LABEL_CHARACTERS, label_problem, normalized_label
from core.images.dataset_edits import edit_dataset as save_edit
from core.images.edit_journal import read_edits
from core.schemas.dataset_edits import (
    DatasetEditRequest,
    DatasetEditResult,
    DatasetEdits,
    DatasetImage,
    DatasetImages,
)
from core.schemas.dataset_reports import DatasetReportStatus
from core.schemas.datasets import detail
from core.schemas.models import DEFAULT_REASON
from service.api.common.openapi import BINARY, BODY_ERRORS, content, success
from service.api.deps import CALLER_ERRORS, JobsCaller, StateDep
from service.api.examples import load_example
from service.api.routes.datasets import Name, check_not_reserved, found_dataset
from service.datasets.uploads import storage_problem
from service.errors import (
    HomeNotWritableError,
    InvalidParametersError,
    NotReadyError,
    StorageFullError,
    UnreadableImageError,
    responses,
)

router = APIRouter(prefix="/datasets", tags=["datasets"])

_DATASET_ERRORS = (*CALLER_ERRORS, UnknownDatasetError, InvalidParametersError, NotReadyError)
_EDIT_ERRORS = (UnknownImageError, JournalFullError, StorageFullError, HomeNotWritableError)
_EDIT_EXAMPLE = load_example("dataset_edit")
_JPEG: dict[str, Any] = {"image/jpeg": {"schema": BINARY, "example": "\xff\xd8\xff..."}}

Offset = Annotated[int, Query(ge=0, le=999_999_999, description="number of entries to skip")]
Limit = Annotated[int, Query(ge=1, le=200, description="maximum number of entries")]
Label = Annotated[
    str | None,
    Query(min_length=1, max_length=MAX_LABEL_CHARACTERS, description="only this class; all classes by default"),
]
File = Annotated[str, Query(min_length=1, max_length=4096, description="path within the data set")]


@router.get(
    "/{name}/images",
    responses={**success(load_example("dataset_images"), "A page of files"), **responses(*_DATASET_ERRORS)},
)
def list_dataset_images(
    name: Name,
    _: JobsCaller,
    state: StateDep,
    label: Label = None,
    removed: Annotated[bool, Query(description="list the removed images instead")] = False,
    offset: Offset = 0,
    limit: Limit = 60,
) -> DatasetImages:
    """List the files of a data set."""
    folder = found_dataset(name, state["listings"].folder)
    used = {file.name for files in folder.files.values() for file in files}
    listed = folder.stored if removed else folder.files
    matching = [
        DatasetImage(file=file.name, label=one, bytes=file.bytes)
        for one, files in listed.items()
        if label is None or one == normalized_label(label)
        for file in files
        if not (removed and file.name in used)
    ]
    return DatasetImages(digest=folder.digest, total=len(matching), images=tuple(matching[offset : offset + limit]))


@router.get(
    "/{name}/thumbnail",
    response_class=Response,
    responses={
        **content("The whole image between gray bars, 160x160 pixels", _JPEG),
        **responses(*_DATASET_ERRORS, UnknownImageError, UnreadableImageError),
    },
)
async def get_dataset_thumbnail(name: Name, _: JobsCaller, state: StateDep, file: File) -> Response:
    """Return a small version of one image; removed images are included."""
    check_not_reserved(name)
    jpeg = await state["thumbnails"].jpeg(name, file)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})


@router.get(
    "/{name}/edits",
    responses={
        **success({"total": 1, "edits": [_EDIT_EXAMPLE["edit"]]}, "A page of edits"),
        **responses(*_DATASET_ERRORS),
    },
)
def list_dataset_edits(
    name: Name, _: JobsCaller, state: StateDep, offset: Offset = 0, limit: Limit = 20
) -> DatasetEdits:
    """List the edits of a data set, newest first."""
    folder = found_dataset(name, state["listings"].folder)
    edits = read_edits(folder.path)[::-1]
    return DatasetEdits(total=len(edits), edits=tuple(edits[offset : offset + limit]))


@router.post(
    "/{name}/edits",
    responses={
        **success(_EDIT_EXAMPLE, "The data set after the edit"),
        **responses(
            *_DATASET_ERRORS, *BODY_ERRORS, UnknownImageError, JournalFullError, StorageFullError, HomeNotWritableError
        ),
    },
)
def edit_dataset(name: Name, body: DatasetEditRequest, caller: JobsCaller, state: StateDep) -> DatasetEditResult:
    """Change the class of images, remove or restore them; the result is a new version of the data set.

    No file is changed or deleted. A removed image is restored by giving it a class.
    """
    settings = state["settings"]
    check_not_reserved(name)
    labels: dict[str, str | None] = {}
    for index, change in enumerate(body.changes):
        problem = None if change.label is None else label_problem(normalized_label(change.label))
        if problem is not None:
            raise InvalidParametersError([(f"changes.{index}.label", problem)])
        if change.file in labels:
            raise InvalidParametersError([(f"changes.{index}.file", "the file has several changes: send one")])
        labels[change.file] = change.label
    try:
        folder, edit = save_edit(settings.home, name, labels, actor=caller.actor, reason=body.reason or DEFAULT_REASON)
    except (UnknownDatasetError, UnknownImageError, JournalFullError):
        raise
    except DataError as error:
        cause = error.__cause__
        raise (storage_problem(cause) if isinstance(cause, OSError) else NotReadyError(str(error))) from error
    return DatasetEditResult(dataset=detail(folder), edit=edit)


@router.get(
    "/{name}/report",
    responses={**success(load_example("dataset_report"), "The report or its progress"), **responses(*_DATASET_ERRORS)},
)
def get_dataset_report(name: Name, _: JobsCaller, state: StateDep) -> DatasetReportStatus:
    """Describe the images of a data set: classes, image sizes, duplicates, unreadable files and warnings.

    The first request for a version of the data set starts the work; repeat the request until `state` is `ready`.
    """
    return state["reports"].status(found_dataset(name, state["listings"].describe))
