"""Table of image paths and labels: the file `labels.csv` in the folder of a data set.

    path,label,part
    photos/IMG 1.jpg,Großer Hund,train
    "photos/a, b.jpg",cat,

The header names the columns: `path` (or `file`, `filename`, `image`), `label` (or `class`), and optionally `part` (or
`split`). Values are separated by commas, semicolons or tabs, in UTF-8. Paths are relative to the folder.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from core.errors import DataError
from core.files.regular import read_regular
from core.images.class_labels import label_problem, normalized_label, shown
from core.images.folder_layouts import PART_NAMES, TABLE_NAME, ImageFile, Listing, Part

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "path": "path",
        "file": "path",
        "filename": "path",
        "image": "path",
        "label": "label",
        "class": "label",
        "part": "part",
        "split": "part",
    }
)
_DELIMITERS = ",;\t"


def has_table(root: Path) -> bool:
    """True if the folder has a table of labels."""
    return (root / TABLE_NAME).is_file()


def list_table(root: Path) -> Listing:
    """List the images of `root`/labels.csv. Rows without a usable image or label are skipped with a reason.

    Raises:
        DataError: the table cannot be read, or lacks a column.
    """
    rows = _rows(root / TABLE_NAME)
    listing = Listing("table", {}, [])
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(row["path"], set()).add(normalized_label(row["label"].strip()))
    for row in {row["path"]: row for row in rows}.values():
        name = row["path"]
        label = normalized_label(row["label"].strip())
        found = _file(root, name, row.get("part", ""))
        problem = (
            f"the table gives it {len(labels[name])} labels" if len(labels[name]) > 1 else label_problem(label)
        ) or (found if isinstance(found, str) else None)
        if problem is not None or isinstance(found, str):
            listing.skipped.append((shown(name), str(problem)))
        else:
            listing.add(label, [found])
    return listing


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        text = read_regular(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 (byte {error.start:,}): save it as CSV UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read {table}: {error.strerror}") from error
    header, _, _ = text.partition("\n")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [_COLUMNS.get(name.strip().lower(), "") for name in next(reader, [])]
        missing = [name for name in ("path", "label") if columns.count(name) != 1]
        if missing:
            raise DataError(
                f"{table} needs one column {' and one column '.join(missing)}: begin it with the line path,label"
            )
        return [
            dict(zip(columns, row, strict=False)) | {"path": row[columns.index("path")].strip().replace("\\", "/")}
            for row in reader
            if len(row) > max(columns.index("path"), columns.index("label")) and any(row)
        ]
    except csv.Error as error:
        raise DataError(f"{table} is damaged in line {reader.line_num}: {error}") from error


def _file(root: Path, name: str, part: str) -> ImageFile | str:
    """File of a row, or the reason for skipping it."""
    given: Part | None = PART_NAMES.get(part.strip().lower())
    if part.strip() and given is None:
        return f"{part.strip()!r} is not a part: use train, validation, holdout or test"
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\0" in name:
        return "the path is not within the folder of the data set"
    for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        path = root / form
        steps = [root.joinpath(*PurePosixPath(form).parts[:depth]) for depth in range(1, len(pure.parts) + 1)]
        if any(step.is_symlink() for step in steps):
            return "a link, which is not followed"
        if path.is_file():
            return ImageFile(path, path.stat().st_size, name, given)
    return "the table names it, but there is no such file"
