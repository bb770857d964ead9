"""Base class of stored records, settings and messages, and the reader of their JSON Lines files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.files.regular import read_regular

Model = TypeVar("Model", bound="StrictModel")


class StrictModel(BaseModel):
    """Frozen model that rejects unknown fields, so that misspelled settings and files of another schema are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_json_lines(path: Path, model: type[Model]) -> list[Model]:
    """Return the valid lines of an append-only file, in the order written; empty if the file does not exist.

    Lines that do not validate, such as a line cut off by a kill, are skipped.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
    """
    try:
        lines = read_regular(path).split(b"\n")
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        with suppress(ValidationError):
            entries.append(model.model_validate_json(line))
    return entries
