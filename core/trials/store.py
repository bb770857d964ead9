"""Store of shadow trials: one folder per trial in DUET_HOME/trials, readable by all processes that share the home.

`request.json` is written once at the start and `end.json` once at the end, by the first process that sees a reason. A
trial without `end.json` is running. A lock keeps a family from having two.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from core.files.durable import atomic_replace, file_lock, sync, write_fsync
from core.files.home import ensure_home
from core.trials.errors import TrialRunningError
from core.trials.records import Trial, TrialEnd, TrialPlan, TrialPromotion

FOLDER_MODE = 0o700
_NAME = re.compile(r"[0-9a-f]{32}")
_REQUEST, _END, _PROMOTION, _LOCK = "request.json", "end.json", "promotion.json", ".lock"


class TrialStore:
    """The trials of a home. Any number of processes and threads may use one."""

    def __init__(self, home: Path) -> None:
        """Nothing is read or written yet."""
        self.folder = home / "trials"
        self._trials: dict[str, Trial | None] = {}
        self._ended: set[str] = set()

    def folder_of(self, trial: Trial) -> Path:
        """Folder of a trial."""
        return self.folder / trial.id

    def start(self, family: str, champion: int, plan: TrialPlan, *, by: str) -> Trial:
        """Start a trial against the champion.

        Raises:
            TrialRunningError: the family has a running trial.
            RepositoryError: another process holds the lock.
            OSError: the folder cannot be written.
        """
        ensure_home(self.folder.parent)
        self.folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with file_lock(self.folder / _LOCK):
            running = self.running_of(family)
            if running is not None:
                raise TrialRunningError(family, running.id)
            now = datetime.now(UTC)
            trial = Trial(
                id=f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}",
                family=family,
                champion=champion,
                plan=plan,
                started_at=now,
                started_by=by,
            )
            for left in self.folder.glob(".new-*"):  # of a process that was killed here
                shutil.rmtree(left)
            staged = self.folder / f".new-{trial.id}"
            staged.mkdir(mode=FOLDER_MODE)
            write_fsync(staged / _REQUEST, trial.model_dump_json().encode())
            sync(staged)
            staged.rename(self.folder_of(trial))
            sync(self.folder)
        return trial

    def all(self, family: str | None = None) -> list[Trial]:
        """The trials of a family or of all, oldest first. Folders of another release are left out."""
        trials = [trial for name in self._names() if (trial := self._trial(name)) is not None]
        return [trial for trial in trials if family in (None, trial.family)]

    def running(self) -> list[Trial]:
        """The running trials, at most one per family."""
        return [trial for trial in self.all() if not self._has_ended(trial)]

    def running_of(self, family: str) -> Trial | None:
        """The running trial of a family."""
        return next((trial for trial in self.running() if trial.family == family), None)

    def latest_of(self, family: str) -> Trial | None:
        """The newest trial of a family, running or not."""
        return next(reversed(self.all(family)), None)

    def end(self, trial: Trial, end: TrialEnd) -> bool:
        """End a trial; if it has already ended, change nothing and return False.

        Raises:
            RepositoryError: another process holds the lock.
            OSError: the folder cannot be written.
        """
        path = self.folder_of(trial) / _END
        with file_lock(self.folder / _LOCK):
            if path.exists():
                return False
            atomic_replace(path, end.model_dump_json().encode())
        self._ended.add(trial.id)
        return True

    def end_of(self, trial: Trial) -> TrialEnd | None:
        """The end of a trial; None while it is running."""
        content = _read(self.folder_of(trial) / _END)
        return None if content is None else TrialEnd.model_validate_json(content)

    def promotion_of(self, trial: Trial) -> TrialPromotion | None:
        """The result of the promotion; None if there was none so far."""
        content = _read(self.folder_of(trial) / _PROMOTION)
        return None if content is None else TrialPromotion.model_validate_json(content)

    def record_promotion(self, trial: Trial, promotion: TrialPromotion) -> None:
        """Store the result of the promotion.

        Raises:
            OSError: the folder cannot be written.
        """
        atomic_replace(self.folder_of(trial) / _PROMOTION, promotion.model_dump_json().encode())

    def ended(self, family: str, champion: int | None, challenger: int) -> tuple[Trial, TrialEnd] | None:
        """The newest trial of these versions that has ended; None if there is none."""
        for trial in reversed(self.all(family)):
            if (trial.champion, trial.challenger) == (champion, challenger):
                end = self.end_of(trial)
                if end is not None:
                    return trial, end
        return None

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def _trial(self, name: str) -> Trial | None:
        if name not in self._trials:
            content = _read(self.folder / name / _REQUEST)
            try:
                self._trials[name] = None if content is None else Trial.model_validate_json(content)
            except ValidationError:
                self._trials[name] = None
        return self._trials[name]

    def _has_ended(self, trial: Trial) -> bool:
        if trial.id not in self._ended and (self.folder_of(trial) / _END).exists():
            self._ended.add(trial.id)
        return trial.id in self._ended


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
