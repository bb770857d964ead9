"""POST /datasets/{name}/from-traffic: labelled traffic becomes a new version of a data set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from fastapi import APIRouter

from core.errors import DataError, JournalFullError, UnknownDatasetError
from core.images.dataset_edits import edit_dataset
from core.images.edit_journal import DatasetEdit, read_edits
from core.images.labelled_folders import LabelledFolder
from core.schemas.datasets import SkippedFile, detail
from core.schemas.labels import FromTrafficRequest, FromTrafficResult
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, success
from service.api.deps import CALLER_ERRORS, JobsCaller, StateDep
from service.api.examples import load_example
from service.api.routes.datasets import Name, check_not_reserved, owner_of
from service.datasets.files import Candidate, stored_name
from service.datasets.uploads import storage_problem
from service.errors import (
    DatasetLayoutError,
    DatasetQuotaError,
    DatasetTooLargeError,
    DeadlineExceededError,
    HomeNotWritableError,
    InvalidParametersError,
    NoLabelledTrafficError,
    NotReadyError,
    NoUsableImageError,
    StorageFullError,
    TooManyUploadsError,
    TooMuchWorkError,
    responses,
)
from service.labels.labelling import LabelledImage
from service.labels.pictures import png

router = APIRouter(prefix="/datasets", tags=["datasets"])
_REASON = "labels of the traffic were corrected"


@router.post(
    "/{name}/from-traffic",
    responses={
        **success(load_example("from_traffic"), "The data set after the change"),
        **responses(
            *CALLER_ERRORS,
            *BODY_ERRORS,
            NoLabelledTrafficError,
            DatasetTooLargeError,
            DatasetQuotaError,
            DatasetLayoutError,
            InvalidParametersError,
            NoUsableImageError,
            TooManyUploadsError,
            TooMuchWorkError,
            DeadlineExceededError,
            JournalFullError,
            NotReadyError,
            StorageFullError,
            HomeNotWritableError,
        ),
    },
    openapi_extra=json_body(FromTrafficRequest, load_example("from_traffic_request"), required=False),
)
async def add_traffic(name: Name, state: StateDep, caller: JobsCaller, body: JsonBody) -> FromTrafficResult:
    """Add all labelled images of the captured traffic to a data set, which is created if necessary.

    An image is the uploaded file if it was stored, otherwise the picture as the model saw it. Repeat the request
    after further labels: images that are already there are counted as duplicates, and those with a corrected label get
    the new class.
    """
    sent = read_body(FromTrafficRequest, body) if body else FromTrafficRequest()
    check_not_reserved(name)
    home, reason = state["settings"].home, sent.reason or _REASON
    labelled: dict[str, LabelledImage] = {}

    def files() -> Iterator[Candidate]:
        for image in state["labelling"].labelled_images():
            content = image.record.upload or png(image.record.image)
            labelled[stored_name(content)] = image
            yield Candidate(image.record.id, image.label, content)
        if not labelled:
            raise NoLabelledTrafficError

    folder, summary = await state["uploader"].add_files(name, files, owner=owner_of(caller, state))
    try:
        folder, edit = await asyncio.to_thread(_relabel, home, folder, labelled, actor=caller.actor, reason=reason)
    except (UnknownDatasetError, JournalFullError):
        raise
    except DataError as error:
        cause = error.__cause__
        raise (storage_problem(cause) if isinstance(cause, OSError) else NotReadyError(str(error))) from error
    changed = {PurePosixPath(change.file).name for change in edit.changes} if edit is not None else set[str]()
    done = {image.record.id for stored_as, image in labelled.items() if stored_as in changed}
    skipped = [each for each in summary.skipped if each.name not in done]
    return FromTrafficResult(
        dataset=detail(folder),
        added=summary.added,
        duplicates=summary.duplicates,
        relabelled=len(changed),
        edit=edit,
        skipped=len(skipped),
        skipped_files=tuple(SkippedFile(file=file, reason=reason) for file, reason in skipped[:100]),
    )


def _relabel(
    home: Path, folder: LabelledFolder, labelled: Mapping[str, LabelledImage], *, actor: str, reason: str
) -> tuple[LabelledFolder, DatasetEdit | None]:
    """Give images of the data set their label if it is newer than their last edit there; removed ones stay removed."""
    edited = {change.file: edit.at.timestamp() for edit in read_edits(folder.path) for change in edit.changes}
    labels: dict[str, str | None] = {}
    for label, files in folder.files.items():
        for file in files:
            image = labelled.get(file.path.name)
            if image is not None and image.label != label and image.time > edited.get(file.name, 0.0):
                labels[file.name] = image.label
    if not labels:
        return folder, None
    return edit_dataset(home, folder.name, labels, actor=actor, reason=reason)
