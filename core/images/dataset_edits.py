"""Editing of a data set: images get another class, are removed, or are restored, as a new line of its journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from core.errors import DataError, JournalFullError, UnknownDatasetError, UnknownImageError
from core.files.durable import append_line
from core.images.class_labels import label_problem, normalized_label
from core.images.edit_journal import JOURNAL_NAME, DatasetEdit, ImageEdit
from core.images.labelled_folders import LabelledFolder, changing, dataset_folder, dataset_names, list_dataset

MAX_JOURNAL_BYTES = 16 * 1024 * 1024
"""About 100,000 changes; every listing of the data set reads the journal."""


def edit_dataset(
    home: Path, name: str, labels: Mapping[str, str | None], *, actor: str, reason: str
) -> tuple[LabelledFolder, DatasetEdit | None]:
    """Change the class of images; all changes become one line of the journal.

    Args:
        home: DUET_HOME.
        name: of the data set.
        labels: new class of each image by its path within the data set; None removes the image. A removed image is
            restored by giving it a class.
        actor: person or key that makes the change.
        reason: text for the journal.

    Returns:
        The data set after the edit, and the new line of the journal; None if nothing changes.

    Raises:
        DataError: actor or reason is empty, a class name is not valid, or the journal cannot be written.
        UnknownDatasetError: there is no such data set.
        UnknownImageError: the data set has no such file.
        JournalFullError: the journal would exceed `MAX_JOURNAL_BYTES`.
    """
    if not (actor.strip() and reason.strip()):
        raise DataError("an edit of a data set needs an actor and a reason: give both")
    wanted = {file: None if label is None else normalized_label(label) for file, label in labels.items()}
    for label in wanted.values():
        problem = None if label is None else label_problem(label)
        if problem is not None:
            raise DataError(f"{label!r} cannot be a class: {problem}")
    place = dataset_folder(home, name)
    if place.is_symlink() or not place.is_dir():
        raise UnknownDatasetError(name, dataset_names(home), linked=place.is_symlink())
    with changing(home):
        before = list_dataset(name, place)
        there = {file.name: file for files in before.stored.values() for file in files}
        for file in wanted:
            if file not in there:
                raise UnknownImageError(name, file)
        current = {file.name: label for label, files in before.files.items() for file in files}
        changes = tuple(
            ImageEdit(file=file, bytes=there[file].bytes, before=current.get(file), label=label)
            for file, label in wanted.items()
            if label != current.get(file)
        )
        if not changes:
            return before, None
        after = before.edited({(change.file, change.bytes): change.label for change in changes})
        edit = DatasetEdit(
            at=datetime.now(UTC),
            actor=actor,
            reason=reason,
            changes=changes,
            digest_before=before.digest,
            digest=after.digest,
        )
        line = edit.model_dump_json().encode()
        journal = place / JOURNAL_NAME
        if (journal.stat().st_size if journal.exists() else 0) + len(line) > MAX_JOURNAL_BYTES:
            raise JournalFullError(name, MAX_JOURNAL_BYTES)
        try:
            append_line(journal, line)
        except OSError as error:
            raise DataError(
                f"cannot write {journal} ({error.strerror}): make the folder writable or free disk space"
            ) from error
    return after, edit
