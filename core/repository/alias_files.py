"""aliases.json and promotions.jsonl: which version is champion, and the audit trail of how it came to be.

The trail is written ahead: entry number `last_entry + 1` is appended and synced first, then aliases.json is
replaced by one that carries the new champion and that number. A kill between the two leaves an entry numbered
above `last_entry`, which is void; the next writer takes the same number again, and of several lines with one
number the last counts. A torn line is left where it is and the next one starts on a line of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from core.errors import RepositoryError, explain
from core.files.durable import atomic_replace, remove_temporaries, sync
from core.repository.manifest import FamilyName

ALIASES_NAME = "aliases.json"
TRAIL_NAME = "promotions.jsonl"


class AliasFile(BaseModel):
    """The whole of aliases.json: the champion of each family, and the last entry of the trail that counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    champions: dict[FamilyName, PositiveInt] = Field(default_factory=dict)
    last_entry: int = Field(default=0, ge=0)


class Promotion(BaseModel):
    """One line of the trail: a family's champion moved from one version to another.

    `entry` counts from 1 over all families. 0 stands for a promotion that changed nothing, because the version
    was the champion already; such a one is returned to the caller and never written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: int = Field(ge=0)
    at: AwareDatetime
    family: FamilyName
    action: Literal["promote", "rollback"]
    from_version: PositiveInt | None
    to_version: PositiveInt
    actor: str
    reason: str
    evidence: dict[str, Any] | None = None


def read_aliases(models: Path) -> AliasFile:
    """`models`/aliases.json, or an empty one where there is none.

    Raises:
        RepositoryError: it cannot be read or does not validate.
    """
    path = models / ALIASES_NAME
    try:
        return AliasFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return AliasFile()
    except OSError as error:
        raise RepositoryError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise RepositoryError(
            f"{path} is not an alias file ({explain(error)}): "
            f"repair it, or remove it to return to the shipped champions"
        ) from error


def read_trail(models: Path, aliases: AliasFile) -> list[Promotion]:
    """The entries that count, in order; `aliases` was read from the same folder, before.

    Raises:
        RepositoryError: the trail cannot be read, or an entry that counts is not in it.
    """
    entries = {promotion.entry: promotion for promotion in _readable_lines(models / TRAIL_NAME)}
    counting = range(1, aliases.last_entry + 1)
    missing = [number for number in counting if number not in entries]
    if missing:
        raise RepositoryError(
            f"{models / TRAIL_NAME} lacks entry {missing[0]} of {aliases.last_entry}: restore the file from a backup; "
            f"`duet models promote` works without it"
        )
    return [entries[number] for number in counting]


def promoted_versions(models: Path, family: str) -> set[int]:
    """Every version of a family that the trail names, in entries that count and in void ones."""
    entries = [promotion for promotion in _readable_lines(models / TRAIL_NAME) if promotion.family == family]
    return {version for entry in entries for version in (entry.from_version, entry.to_version) if version is not None}


def record(models: Path, aliases: AliasFile, promotion: Promotion) -> None:
    """Append `promotion` to the trail, then make its version champion; the caller holds the alias lock.

    Raises:
        RepositoryError: the disk refused.
    """
    after = AliasFile(
        champions={**aliases.champions, promotion.family: promotion.to_version}, last_entry=promotion.entry
    )
    try:
        remove_temporaries(models / ALIASES_NAME)
        _append(models / TRAIL_NAME, promotion.model_dump_json().encode())
        atomic_replace(models / ALIASES_NAME, after.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise RepositoryError(
            f"{promotion.family}@{promotion.to_version} could not be made champion: {error.strerror} ({models})"
        ) from error


def _readable_lines(path: Path) -> list[Promotion]:
    """Every line that is an entry, in the order written; a line torn by a kill is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RepositoryError(f"cannot read {path}: {error.strerror}") from error
    promotions = []
    for line in lines:
        with suppress(ValidationError):
            promotions.append(Promotion.model_validate_json(line))
    return promotions


def _append(path: Path, line: bytes) -> None:
    with path.open("a+b") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                line = b"\n" + line
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync(path.parent)
