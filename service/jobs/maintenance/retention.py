"""Retention: removes old records, events and folders of jobs, and unpromoted versions if configured."""

from __future__ import annotations

import logging
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import JobNotFoundError
from core.files.home import LOG_NAME, RUNS_NAME
from core.jobs.run_folder import DESCRIPTION_NAME, HISTORY_NAME
from core.repository.pruning import prune_unpromoted
from core.repository.repository import ModelRepository
from core.trials.store import TrialStore
from service.jobs.batch.results import RESULTS_NAME
from service.jobs.store.indexes import JobQueues
from service.jobs.store.keys import JOB_ID_PATTERN, leader_key
from service.jobs.store.redis_client import broker_errors
from service.jobs.store.store import JobStore
from service.jobs.versions_in_use import versions_in_use
from service.settings import Settings

log = logging.getLogger("duet.jobs")
EVERY_SECONDS = 3600.0
CHECKPOINT_RETENTION_SECONDS = 7 * 86_400.0
"""Time for which the checkpoint of a succeeded job is kept."""
_FRESH = timedelta(days=1)
_KEPT = (LOG_NAME, DESCRIPTION_NAME, HISTORY_NAME, RESULTS_NAME)


class Retention:
    """Removes expired data; any number of processes may run one, and one of them works every hour."""

    def __init__(
        self, store: JobStore, repository: ModelRepository, settings: Settings, *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._store = store
        self._queues = JobQueues(store.client)
        self._repository = repository
        self._settings = settings
        self._runs = settings.home / RUNS_NAME
        self._every_seconds = every_seconds

    def run_once(self) -> None:
        """Clean up, unless a process did so within the interval.

        Raises:
            BrokerUnavailableError: the broker cannot be used.
        """
        with broker_errors():
            is_due = self._store.client.set(
                leader_key("retention"), "taken", nx=True, px=max(1, round(self._every_seconds * 1000))
            )
        if not is_due:
            return
        self._forget_jobs()
        self._drop_checkpoints()
        self._remove_orphans()
        if self._settings.keep_unpromoted_versions is not None:
            self._prune_versions(self._settings.keep_unpromoted_versions)

    def _forget_jobs(self) -> None:
        seconds = self._settings.job_retention_days * 86_400
        for job_id in self._queues.ended(seconds):
            if self._store.forget(job_id, ended_before_seconds=seconds):
                shutil.rmtree(self._runs / job_id, ignore_errors=True)
                log.info("job %s exceeded its retention: removed its record and folder", job_id)

    def _drop_checkpoints(self) -> None:
        """Keep only log, metrics and predictions of jobs that succeeded.

        The others can still be retried from their checkpoints.
        """
        for job_id in self._queues.ended(CHECKPOINT_RETENTION_SECONDS):
            folder = self._runs / job_id
            if not _has_more(folder):
                continue
            with suppress(JobNotFoundError):
                if self._store.get(job_id).state == "succeeded":
                    _drop_others(folder)

    def _remove_orphans(self) -> None:
        """Remove old run folders without a record, for example after the broker lost its data."""
        oldest = datetime.now(UTC) - timedelta(days=self._settings.job_retention_days)
        if not self._runs.is_dir():
            return
        for folder in self._runs.iterdir():
            if re.fullmatch(JOB_ID_PATTERN, folder.name) is None or _changed_at(folder) > oldest:
                continue
            try:
                self._store.get(folder.name)
            except JobNotFoundError:
                shutil.rmtree(folder, ignore_errors=True)
                log.info("removed run folder %s, which has no job", folder.name)

    def _prune_versions(self, keep: int) -> None:
        in_use = {reference.partition("@")[::2] for reference in versions_in_use(self._store)}
        on_trial = {(trial.family, str(trial.challenger)) for trial in TrialStore(self._settings.home).running()}
        for family in self._repository.families():
            numbers = {int(number) for name, number in in_use | on_trial if name == family}
            removed = prune_unpromoted(
                self._repository, family, keep=keep, before=datetime.now(UTC) - _FRESH, in_use=numbers
            )
            for number in removed:
                log.info("removed %s@%d, which was never promoted (keep_unpromoted_versions)", family, number)


def _has_more(folder: Path) -> bool:
    return folder.is_dir() and any(path.name not in _KEPT for path in folder.iterdir())


def _drop_others(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name in _KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _changed_at(folder: Path) -> datetime:
    """Time of the last change in the folder; now if it disappears meanwhile."""
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:
        return datetime.now(UTC)
    return datetime.fromtimestamp(newest, UTC)
