"""Alias files: aliases.json (the champion of each family) and promotions.jsonl (the audit trail).

The trail is a write-ahead log. Entry `last_entry + 1` is appended and flushed first. Then aliases.json is replaced with
the new champion and that number. After a kill between the two steps, the entry above `last_entry` is void and the next
writer uses the number again. If several lines have one number, the last one counts. A torn line is ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field, PositiveInt, ValidationError

from core.errors import RepositoryError, explain
from core.files.durable import append_line, atomic_replace, remove_temporaries
from core.files.regular import read_regular
from core.repository.manifest import FamilyName
from core.strict_model import StrictModel, read_json_lines

ALIASES_NAME = "aliases.json"
TRAIL_NAME = "promotions.jsonl"


class AliasFile(StrictModel):
    """Content of aliases.json: the champion of each family, and the number of the last valid trail entry."""

    champions: dict[FamilyName, PositiveInt] = Field(default_factory=dict)
    last_entry: int = Field(default=0, ge=0)


class Promotion(StrictModel):
    """One trail entry: the champion of a family changed, or a version was deleted.

    `entry` counts from 1 over all families. An entry 0 is never written: it is returned to the caller if the version
    was already the champion. `archive` leaves the family without champion. `delete` removed `from_version`, which was
    not the champion. Both have no `to_version`.
    """

    entry: int = Field(ge=0)
    at: AwareDatetime
    family: FamilyName
    action: Literal["promote", "rollback", "archive", "delete"]
    from_version: PositiveInt | None
    to_version: PositiveInt | None
    actor: str
    reason: str
    evidence: dict[str, Any] | None = None


def read_aliases(models: Path) -> AliasFile:
    """Read `models`/aliases.json; without the file the result is empty.

    Raises:
        RepositoryError: it cannot be read or does not validate.
    """
    path = models / ALIASES_NAME
    try:
        return AliasFile.model_validate_json(read_regular(path))
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
    """Read the valid entries, in order; `aliases` was read from the same folder before.

    Raises:
        RepositoryError: the trail cannot be read, or a valid entry is missing.
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
    """Every version of a family that the trail names, void entries included."""
    entries = [promotion for promotion in _readable_lines(models / TRAIL_NAME) if promotion.family == family]
    return {version for entry in entries for version in (entry.from_version, entry.to_version) if version is not None}


def record(models: Path, aliases: AliasFile, promotion: Promotion) -> None:
    """Append `promotion` to the trail, then change the champion; the caller holds the alias lock.

    Raises:
        RepositoryError: the files cannot be written.
    """
    champions = dict(aliases.champions)
    if promotion.to_version is not None:
        champions[promotion.family] = promotion.to_version
    elif promotion.action == "archive":
        champions.pop(promotion.family, None)
    after = AliasFile(champions=champions, last_entry=promotion.entry)
    try:
        remove_temporaries(models / ALIASES_NAME)
        append_line(models / TRAIL_NAME, promotion.model_dump_json().encode())
        atomic_replace(models / ALIASES_NAME, after.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        what = (
            f"the {promotion.action} of {promotion.family} could not be recorded"
            if promotion.to_version is None
            else f"{promotion.family}@{promotion.to_version} could not be made champion"
        )
        raise RepositoryError(f"{what}: {error.strerror} ({models})") from error


def _readable_lines(path: Path) -> list[Promotion]:
    """Every line that is an entry, in the order written; torn lines are skipped."""
    try:
        return read_json_lines(path, Promotion)
    except OSError as error:
        raise RepositoryError(f"cannot read {path}: {error.strerror}") from error
