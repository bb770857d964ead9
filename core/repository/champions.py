"""Champion changes: promotion, rollback, archiving of a family, and the audit trail of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from core.errors import (
    ChampionMovedError,
    NoChampionError,
    NothingToRollBackError,
    RepositoryError,
    ShippedVersionError,
)
from core.files.durable import file_lock
from core.files.home import ensure_home
from core.repository.alias_files import Promotion, read_aliases, read_trail, record
from core.repository.repository import ModelRepository

LOCK_NAME = ".aliases.lock"


def promote(
    repository: ModelRepository,
    family: str,
    version: int,
    *,
    actor: str,
    reason: str,
    evidence: dict[str, Any] | None = None,
    at: datetime | None = None,
    over: int | Literal["any"] | None = "any",
) -> Promotion:
    """Make a version the champion of its family, after verifying its files.

    If the version is already the champion, nothing is recorded and the result has `entry` 0. Actor, reason, evidence
    (JSON values) and the time `at` (with a time zone, now by default) are for the trail. `over` is the expected current
    champion: None for no champion, `any` to skip the check.

    Raises:
        ChampionMovedError: the current champion is not `over`.
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: actor or reason is empty, or an alias file is damaged or cannot be written.
    """
    require_texts(actor=actor, reason=reason)
    repository.verify(family, version)
    with alias_lock(repository):
        repository.folder(family, version)  # it may have been deleted since
        champion = repository.champion(family)
        if over not in ("any", champion):
            raise ChampionMovedError(
                f"the champion of {family} changed from {over} to {champion} in the meantime: try again"
            )
        aliases = read_aliases(repository.home_models)
        promotion = Promotion(
            entry=0 if champion == version else aliases.last_entry + 1,
            at=at or datetime.now(UTC),
            family=family,
            action="promote",
            from_version=champion,
            to_version=version,
            actor=actor,
            reason=reason,
            evidence=evidence,
        )
        if champion != version:
            record(repository.home_models, aliases, promotion)
    return promotion


def rollback(repository: ModelRepository, family: str, *, actor: str, reason: str) -> Promotion:
    """Return to the previous champion; each further rollback goes back one more step.

    After promotions of 1, 2 and 3, two rollbacks lead to 2 and then 1. A promotion in between starts a new history
    from there. The shipped trail precedes that of the home. The rollback of an archived family returns to its last
    champion. A missing or damaged version is skipped and named in the recorded reason and evidence.

    Raises:
        UnknownFamilyError: the family has no version.
        NothingToRollBackError: no earlier intact champion is left.
        RepositoryError: actor or reason is empty, or an alias file is damaged or cannot be written.
    """
    require_texts(actor=actor, reason=reason)
    repository.versions(family)
    with alias_lock(repository):
        champion = repository.champion(family)
        aliases = read_aliases(repository.home_models)
        trail = shipped_history(repository, family) + read_trail(repository.home_models, aliases)
        earlier = _earlier_champions(trail, family, champion)
        target, skipped = _first_intact(repository, family, earlier)
        why_skipped = "".join(f"; skipped {problem}" for problem in skipped)
        if target is None:
            raise NothingToRollBackError(f"{family} has no earlier champion to return to{why_skipped}")
        promotion = Promotion(
            entry=aliases.last_entry + 1,
            at=datetime.now(UTC),
            family=family,
            action="rollback",
            from_version=champion,
            to_version=target,
            actor=actor,
            reason=reason + why_skipped,
            evidence={"skipped": skipped} if skipped else None,
        )
        record(repository.home_models, aliases, promotion)
    return promotion


def archive(repository: ModelRepository, family: str, *, actor: str, reason: str) -> Promotion:
    """Leave a family without champion, so that it is not served; its versions stay and can be promoted again.

    Raises:
        UnknownFamilyError: the family has no version.
        ShippedVersionError: the family ships with the project.
        NoChampionError: the family has no champion.
        RepositoryError: actor or reason is empty, or an alias file is damaged or cannot be written.
    """
    require_texts(actor=actor, reason=reason)
    repository.versions(family)
    with alias_lock(repository):
        champion = repository.champion(family)
        if champion is None:
            raise NoChampionError(f"{family} has no champion, so that it is not served: there is nothing to archive")
        if family in read_aliases(repository.shipped).champions:
            raise ShippedVersionError(f"{family} ships with the project and is always served: promote another version")
        aliases = read_aliases(repository.home_models)
        entry = Promotion(
            entry=aliases.last_entry + 1,
            at=datetime.now(UTC),
            family=family,
            action="archive",
            from_version=champion,
            to_version=None,
            actor=actor,
            reason=reason,
        )
        record(repository.home_models, aliases, entry)
    return entry


def history(repository: ModelRepository, family: str | None = None) -> list[Promotion]:
    """The audit trail, oldest entry first, of one family or of all.

    Raises:
        UnknownFamilyError: the family has neither an entry nor a version.
        RepositoryError: the trail is damaged.
    """
    trail = read_trail(repository.home_models, read_aliases(repository.home_models))
    if family is None:
        return trail
    entries = [entry for entry in trail if entry.family == family]
    if not entries:
        repository.versions(family)
    return entries


def shipped_history(repository: ModelRepository, family: str | None = None) -> list[Promotion]:
    """Audit trail of the versions that ship, oldest entry first; its entries are numbered separately.

    It is empty if the home is the shipped layer itself, as for commands that write the shipped trail.

    Raises:
        RepositoryError: the trail is damaged.
    """
    if repository.shipped.resolve() == repository.home_models.resolve():
        return []
    trail = read_trail(repository.shipped, read_aliases(repository.shipped))
    return [entry for entry in trail if family in (None, entry.family)]


def _earlier_champions(trail: list[Promotion], family: str, champion: int | None) -> list[int]:
    """Versions that a rollback may lead to, nearest first: the stack of promotions without those rolled back.

    `champion` is that of the alias file. If the trail does not end with it, because it was shipped or edited by
    hand, it counts as promoted after the last entry.
    """
    stack: list[int] = []
    for entry in trail:
        if entry.family != family or entry.action == "delete":
            continue
        if entry.from_version is not None and stack[-1:] != [entry.from_version]:
            stack.append(entry.from_version)
        if entry.action == "rollback":
            while stack and stack[-1] != entry.to_version:
                stack.pop()
        elif entry.to_version is not None:
            stack.append(entry.to_version)
    if stack[-1:] == [champion]:
        stack.pop()
    return [version for version in reversed(stack) if version != champion]


def _first_intact(repository: ModelRepository, family: str, versions: list[int]) -> tuple[int | None, list[str]]:
    """The first intact version, or None, and the problems of those before it."""
    skipped: list[str] = []
    for version in versions:
        try:
            repository.verify(family, version)
        except RepositoryError as error:
            skipped.append(str(error))
        else:
            return version, skipped
    return None, skipped


@contextmanager
def alias_lock(repository: ModelRepository) -> Iterator[None]:
    """Hold the lock of the aliases and the trail, which is also that of deletions; creates the folder of the models."""
    ensure_home(repository.home_models.parent)
    try:
        repository.home_models.mkdir(exist_ok=True)
    except OSError as error:
        raise RepositoryError(f"cannot write aliases to {repository.home_models}: {error.strerror}") from error
    with file_lock(repository.home_models / LOCK_NAME):
        yield


def require_texts(**texts: str) -> None:
    """Check that actor and reason of a trail entry are not empty; raises RepositoryError."""
    for name, text in texts.items():
        if not text.strip():
            raise RepositoryError(f"the {name} of the change is empty: give one for the audit trail")
