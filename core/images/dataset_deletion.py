"""Deletion of labelled folders, with an audit trail in DUET_HOME/datasets/.deletions.jsonl.

The entry is written first. The folder is then renamed to a hidden name, which removes it for all readers in one step,
and its files are removed. After a kill, the data set is complete or gone, and deleting it again completes the deletion.
"""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime

from core.errors import DataError, UnknownDatasetError
from core.files.durable import append_line, sync
from core.images.labelled_folders import changing, dataset_folder, dataset_names, datasets_folder, read_folder
from core.strict_model import StrictModel, read_json_lines

TRAIL_NAME = ".deletions.jsonl"
_REMOVED = ".removed-"


class DatasetDeletion(StrictModel):
    """One trail entry: a data set that was deleted; after a kill, the entry may be there twice.

    Attributes:
        classes: number of images by class.
        digest: `LabelledFolder.digest`.
    """

    at: AwareDatetime
    name: str
    actor: str
    reason: str
    classes: dict[str, int]
    images: int
    bytes: int
    digest: str


def delete_dataset(home: Path, name: str, *, actor: str, reason: str) -> DatasetDeletion:
    """Delete a data set permanently; returns its entry in the trail.

    Raises:
        DataError: actor or reason is empty, the name is not valid, or a file cannot be removed.
        UnknownDatasetError: there is no such data set.
    """
    if not (actor.strip() and reason.strip()):
        raise DataError("the deletion of a data set needs an actor and a reason for the audit trail: give both")
    folder = read_folder(home, name)
    entry = DatasetDeletion(
        at=datetime.now(UTC),
        name=name,
        actor=actor,
        reason=reason,
        classes={label: len(files) for label, files in folder.files.items()},
        images=folder.images,
        bytes=folder.bytes,
        digest=folder.digest,
    )
    parent, place = datasets_folder(home), dataset_folder(home, name)
    gone = parent / f"{_REMOVED}{secrets.token_hex(8)}"
    try:
        with changing(home):
            if not place.is_dir():
                raise UnknownDatasetError(name, dataset_names(home))
            for left in parent.glob(f"{_REMOVED}*"):
                shutil.rmtree(left)
            append_line(parent / TRAIL_NAME, entry.model_dump_json().encode())
            place.rename(gone)
            sync(parent)
            shutil.rmtree(gone)
    except OSError as error:
        raise DataError(
            f"the data set {name} could not be deleted completely ({error}): make {parent} writable and delete it again"
        ) from error
    return entry


def deletions(home: Path) -> list[DatasetDeletion]:
    """All deletions, oldest first; torn lines are skipped.

    Raises:
        DataError: the trail cannot be read.
    """
    path = datasets_folder(home) / TRAIL_NAME
    try:
        return read_json_lines(path, DatasetDeletion)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
