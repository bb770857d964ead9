"""/datasets: upload and management of labeled images for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from core.errors import DataError, UnknownDatasetError
from core.images.class_labels import MAX_LABEL_CHARACTERS, label_problem, normalized_label
from core.images.dataset_deletion import delete_dataset as delete_folder
from core.images.labelled_folders import (
    NAME_PATTERN,
    NAME_RULE,
    RESERVED_NAMES,
    dataset_names,
    read_folder,
)
from core.schemas.datasets import (
    DatasetDetail,
    DatasetList,
    DatasetUpload,
    SkippedFile,
    detail,
    summary,
)
from core.schemas.models import DEFAULT_REASON, Reason
from core.text_pattern import TextPattern
from service.api.common.openapi import BINARY, BODY_ERRORS, FORM, success
from service.api.deps import CALLER_ERRORS, JobsCaller, StateDep
from service.api.examples import load_example
from service.datasets.quota import Owner
from service.datasets.uploads import storage_problem
from service.errors import (
    DatasetLayoutError,
    DatasetMediaTypeError,
    DatasetQuotaError,
    DatasetTooLargeError,
    DeadlineExceededError,
    HomeNotWritableError,
    InvalidParametersError,
    MalformedBodyError,
    NotReadyError,
    NoUsableImageError,
    StorageFullError,
    TooManyFilesError,
    TooManyUploadsError,
    TooMuchWorkError,
    UnreadableArchiveError,
    UnsafeArchiveError,
    WrongFieldError,
    responses,
)
from service.http.request_body import check_encoding
from service.security.caller import Caller
from service.state import RequestState

_Found = TypeVar("_Found")
router = APIRouter(prefix="/datasets", tags=["datasets"])

_DETAIL_EXAMPLE = load_example("dataset")
_UPLOAD_EXAMPLE = {"dataset": _DETAIL_EXAMPLE, **load_example("dataset_upload")}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a zip with a folder of images per class, or, with `label`, images of one class: as the "
        "body or in the form field `file`",
        "content": {
            "application/zip": {"schema": BINARY},
            "multipart/form-data": {"schema": FORM},
            "image/*": {"schema": BINARY},
            "application/octet-stream": {"schema": BINARY},
        },
    }
}

Name = Annotated[
    str,
    TextPattern(NAME_PATTERN, f"the name of a data set has {NAME_RULE}, such as my-pets"),
    Path(description="name of the data set; jobs refer to it as folder:NAME"),
]
Label = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_LABEL_CHARACTERS,
        description="class of all images in the request, if they are not in a zip",
    ),
]
ReasonQuery = Annotated[Reason | None, Query(description="reason for the audit trail")]


@router.get("", responses={**success(load_example("datasets"), "All data sets"), **responses(NotReadyError)})
def list_datasets(state: StateDep) -> DatasetList:
    """List the data sets under DUET_HOME/datasets, where uploads are stored."""
    home, listed = state["settings"].home, []
    for name in dataset_names(home):
        try:
            listed.append(summary(state["listings"].describe(name)))
        except UnknownDatasetError:  # deleted in the meantime
            continue
    return DatasetList(datasets=tuple(listed))


@router.get(
    "/{name}",
    responses={
        **success(_DETAIL_EXAMPLE, "The data set with its classes"),
        **responses(UnknownDatasetError, InvalidParametersError, NotReadyError),
    },
)
def get_dataset(name: Name, state: StateDep) -> DatasetDetail:
    """Describe one data set: images per class, and reasons why it cannot be trained on."""
    return found_dataset(name, state["listings"].describe)


@router.post(
    "/{name}",
    responses={
        **success(_UPLOAD_EXAMPLE, "Upload summary and the updated data set"),
        **responses(
            *CALLER_ERRORS,
            *BODY_ERRORS,
            DatasetTooLargeError,
            DatasetQuotaError,
            DatasetLayoutError,
            DatasetMediaTypeError,
            InvalidParametersError,
            WrongFieldError,
            TooManyFilesError,
            UnreadableArchiveError,
            UnsafeArchiveError,
            NoUsableImageError,
            TooManyUploadsError,
            NotReadyError,
            StorageFullError,
            TooMuchWorkError,
            DeadlineExceededError,
            HomeNotWritableError,
        ),
    },
    openapi_extra=_BODY,
)
async def add_images(
    name: Name, request: Request, caller: JobsCaller, state: StateDep, label: Label = None
) -> DatasetUpload:
    """Add labeled images to a data set, which is created if necessary.

    Files that are not images are skipped and listed in the response; duplicates are counted and skipped. After an error
    response, nothing has been added.
    """
    check_encoding(request.headers.get("content-encoding", "").encode("latin-1"))
    check_not_reserved(name)
    label = None if label is None else normalized_label(label)
    problem = None if label is None else label_problem(label)
    if problem is not None:
        raise InvalidParametersError([("label", problem)])
    folder, summary = await state["uploader"].add(
        name,
        label,
        request.headers.get("content-type", ""),
        _content_length(request),
        request.receive,
        started=state["context"].started,
        owner=owner_of(caller, state),
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
        **success(_DETAIL_EXAMPLE, "The deleted data set"),
        **responses(*CALLER_ERRORS, UnknownDatasetError, InvalidParametersError, NotReadyError, HomeNotWritableError),
    },
)
def delete_dataset(name: Name, caller: JobsCaller, state: StateDep, reason: ReasonQuery = None) -> DatasetDetail:
    """Delete a data set permanently; versions that were trained on it remain.

    An entry with the reason is kept; `duet datasets history` prints it.
    """
    settings = state["settings"]
    found = found_dataset(name, lambda name: read_folder(settings.home, name))
    try:
        delete_folder(settings.home, name, actor=caller.actor, reason=reason or DEFAULT_REASON)
    except UnknownDatasetError:
        raise
    except DataError as error:
        cause = error.__cause__
        raise (storage_problem(cause) if isinstance(cause, OSError) else NotReadyError(str(error))) from error
    return detail(found)


def found_dataset(name: str, read: Callable[[str], _Found]) -> _Found:
    """Result of `read(name)`.

    Raises:
        InvalidParametersError: the name is that of a built-in data set.
        UnknownDatasetError: there is no such data set.
        NotReadyError: its folder cannot be read.
    """
    check_not_reserved(name)
    try:
        return read(name)
    except UnknownDatasetError:
        raise
    except DataError as error:
        raise NotReadyError(str(error)) from error


def owner_of(caller: Caller, state: RequestState) -> Owner:
    """The caller and its quota for uploads, by default that of the settings."""
    own, default = caller.limits.dataset_bytes, state["settings"].caller_limits.dataset_bytes
    return Owner(caller.key_id, default if own is None else own)


def check_not_reserved(name: str) -> None:
    """Raises InvalidParametersError for the name of a built-in data set."""
    if name in RESERVED_NAMES:
        raise InvalidParametersError([("name", f"{name} is a built-in data set: choose another name")])


def _content_length(request: Request) -> int | None:
    value = request.headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal()) or len(value) > 18:
        raise MalformedBodyError(f"Content-Length {value[:40]!r} is not a valid length")
    return int(value)
