"""Journal of label corrections and removals in a data set: DUET_HOME/datasets/<name>/.edits.jsonl.

No image file is moved, changed or deleted: a listing of the data set applies the journal. Each line makes a new version
of the data set, which is named by the digest of the listing, `LabelledFolder.digest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import AwareDatetime, Field

from core.errors import DataError
from core.images.folder_layouts import ImageFile
from core.strict_model import StrictModel, read_json_lines

JOURNAL_NAME = ".edits.jsonl"


class ImageEdit(StrictModel):
    """Change of one image. It applies to the file of this name and size, not to one that replaces it later."""

    file: str = Field(description="path within the data set")
    bytes: int = Field(ge=0)
    before: str | None = Field(description="class before the edit; null if the image was removed")
    label: str | None = Field(description="class after the edit; null removes the image from the data set")


class DatasetEdit(StrictModel):
    """One line of the journal: changes that were made together.

    Attributes:
        digest_before: `LabelledFolder.digest` before the edit.
        digest: `LabelledFolder.digest` after the edit.
    """

    at: AwareDatetime
    actor: str
    reason: str
    changes: tuple[ImageEdit, ...]
    digest_before: str
    digest: str


def read_edits(folder: Path) -> list[DatasetEdit]:
    """The journal of the data set in `folder`, oldest first; a line that a kill cut off is skipped.

    Raises:
        DataError: the journal cannot be read.
    """
    path = folder / JOURNAL_NAME
    try:
        return read_json_lines(path, DatasetEdit)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def labels_after(edits: list[DatasetEdit]) -> dict[tuple[str, int], str | None]:
    """Class of each edited image by file name and size, None if it is removed; later edits replace earlier ones."""
    return {(change.file, change.bytes): change.label for edit in edits for change in edit.changes}


def edited_files(
    stored: Mapping[str, tuple[ImageFile, ...]], labels: Mapping[tuple[str, int], str | None]
) -> dict[str, tuple[ImageFile, ...]]:
    """Files by class after the edits, sorted; a class whose images were all removed or moved is left out."""
    files: dict[str, list[ImageFile]] = {label: [] for label, there in stored.items() if not there}
    for label, there in stored.items():
        for file in there:
            new = labels.get((file.name, file.bytes), label)
            if new is not None:
                files.setdefault(new, []).append(file)
    return {label: tuple(sorted(files[label], key=lambda file: file.name)) for label in sorted(files)}
