"""Training runs in DUET_HOME/runs: state, progress and metrics, read without torch.

Jobs have a run folder named after their id. Other folders belong to trainings from the command line.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from core.errors import ConfigurationError, RepositoryError
from core.files.home import RUNS_NAME, named_run
from core.jobs.run_folder import (
    CHECKPOINT_NAME,
    DESCRIPTION_NAME,
    HISTORY_NAME,
    LOCK_NAME,
    PUBLISHED_NAME,
    RunDescription,
)
from core.repository.repository import ModelRepository
from core.schemas.runs import EpochMetrics, RunDetail, RunState, RunSummary
from service.errors import NoSuchRunError
from service.jobs.store.keys import JOB_ID_PATTERN

_MARKS = (DESCRIPTION_NAME, CHECKPOINT_NAME, PUBLISHED_NAME)
"""Files that make a folder a run."""


class Runs:
    """Reads the run folders of `home`; every call reads the disk."""

    def __init__(self, home: Path, repository: ModelRepository) -> None:
        self._home = home
        self._repository = repository

    def list(self) -> tuple[RunSummary, ...]:
        """The runs that are not jobs, newest first."""
        found = []
        for folder in self._folders():
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(RunSummary.model_validate(self._read(folder).model_dump(exclude={"history"})))
        return tuple(sorted(found, key=lambda run: run.started_at, reverse=True))

    def read(self, name: str) -> RunDetail:
        """One run, which may be that of a job, with its metrics.

        Raises:
            NoSuchRunError: there is no such folder.
        """
        try:
            return self._read(named_run(self._home, name))
        except (ConfigurationError, FileNotFoundError, NotADirectoryError):
            raise NoSuchRunError(name) from None

    def _folders(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            for folder in (self._home / RUNS_NAME).iterdir():
                if re.fullmatch(JOB_ID_PATTERN, folder.name) is None and any(
                    (folder / mark).exists() for mark in _MARKS
                ):
                    yield folder

    def _read(self, folder: Path) -> RunDetail:
        updated = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        updated_at = datetime.fromtimestamp(updated, UTC)
        description = _description(folder)
        published = _text(folder / PUBLISHED_NAME)
        state = _state(folder, published)
        history = _history(folder / HISTORY_NAME) or self._history_of(published)
        last = history[-1] if history else None
        return RunDetail(
            name=folder.name,
            state=state,
            recipe=description and description.recipe,
            family=description and description.family,
            data=description and description.data,
            seed=description and description.seed,
            epochs=description.epochs if description else (len(history) or None) if published else None,
            epoch=len(history),
            accuracy=None if last is None else _first_known(last.validation_accuracy, last.train_accuracy),
            published=published,
            started_at=description.started_at if description else updated_at,
            updated_at=updated_at,
            seconds_left=_seconds_left(description, history) if description and state == "running" else None,
            history=history,
        )

    def _history_of(self, published: str | None) -> tuple[EpochMetrics, ...]:
        """Metrics in the folder of the published version, for runs without their own."""
        if published is None:
            return ()
        try:
            return _history(self._repository.folder(*self._repository.resolve(published)) / HISTORY_NAME)
        except RepositoryError:  # deleted since
            return ()


def _state(folder: Path, published: str | None) -> RunState:
    if published is not None:
        return "published"
    return "running" if _is_locked(folder / LOCK_NAME) else "interrupted"


def _is_locked(path: Path) -> bool:
    """Return whether a process holds the lock. The shared lock taken to find out is released at once."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock file
        return False
    return False


def _description(folder: Path) -> RunDescription | None:
    text = _text(folder / DESCRIPTION_NAME)
    try:
        return None if text is None else RunDescription.model_validate_json(text)
    except ValidationError:  # of another release
        return None


def _history(path: Path) -> tuple[EpochMetrics, ...]:
    try:
        return tuple(EpochMetrics.model_validate_json(line) for line in (_text(path) or "").splitlines())
    except ValidationError:  # of another release
        return ()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _seconds_left(description: RunDescription, history: tuple[EpochMetrics, ...]) -> float | None:
    """Remaining epochs at the mean time of the complete ones; None before the first."""
    if not history:
        return None
    mean = sum(each.seconds for each in history) / len(history)
    return round(mean * max(0, description.epochs - len(history)), 1)
