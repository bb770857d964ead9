"""What is removed when its time is over: records, events and folders of jobs, and versions where that is asked for."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from core.errors import ConfigurationError, UnknownJobError
from core.files.run_paths import LOG_NAME, RUNS_NAME
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.records import JobState
from core.repository.pruning import prune_unpromoted
from core.repository.repository import ModelRepository
from service.jobs.maintenance.leader_lock import once_per
from service.jobs.store.indexes import JobQueues
from service.jobs.store.keys import JOB_ID_PATTERN
from service.jobs.store.store import JobStore
from service.settings import Settings

log = logging.getLogger("duet.jobs")
EVERY_SECONDS = 3600.0
_LIVE: tuple[JobState, ...] = ("queued", "running", "cancelling")
_FRESH = timedelta(days=1)


class Retention:
    """Any number of processes may have one; the broker tells one of them an hour that it is its turn."""

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
        """Clean up, or nothing where that was done lately.

        Raises:
            BrokerUnavailableError: the broker cannot be used.
        """
        if not once_per(self._store.client, "retention", seconds=self._every_seconds):
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
                log.info("job %s ended long ago: its record and its folder were removed", job_id)

    def _drop_checkpoints(self) -> None:
        """Of a job that succeeded only the log is of use later; one that did not can still be tried again."""
        for job_id in self._queues.ended(self._settings.checkpoint_retention_days * 86_400):
            folder = self._runs / job_id
            if not _has_more_than_log(folder):
                continue
            with suppress(UnknownJobError):
                if self._store.get(job_id).state == "succeeded":
                    _keep_log_alone(folder)

    def _remove_orphans(self) -> None:
        """Folders of jobs of which the broker knows nothing, such as one that lost its data, once they are old."""
        oldest = datetime.now(UTC) - timedelta(days=self._settings.job_retention_days)
        if not self._runs.is_dir():
            return
        for folder in self._runs.iterdir():
            if re.fullmatch(JOB_ID_PATTERN, folder.name) is None or _changed_at(folder) > oldest:
                continue
            try:
                self._store.get(folder.name)
            except UnknownJobError:
                shutil.rmtree(folder, ignore_errors=True)
                log.info("run folder %s belongs to no job any more and was removed", folder.name)

    def _prune_versions(self, keep: int) -> None:
        in_use = self._versions_in_use()
        for family in self._repository.families():
            numbers = {int(number) for name, number in in_use if name == family}
            removed = prune_unpromoted(
                self._repository, family, keep=keep, before=datetime.now(UTC) - _FRESH, in_use=numbers
            )
            for number in removed:
                log.info("%s@%d was never promoted and was removed, as keep_unpromoted_versions asks", family, number)

    def _versions_in_use(self) -> set[tuple[str, str]]:
        pages = (self._store.list(state=state, limit=10_000).records for state in _LIVE)
        used: set[str] = set()
        for record in chain.from_iterable(pages):
            match record.typed_parameters():
                case TrainParameters() as parameters:
                    used.update(_versions_read(parameters))
                case EvaluateParameters(versions=references):
                    used.update(references)
        return {(family, number) for family, _, number in (reference.partition("@") for reference in used)}


def _versions_read(parameters: TrainParameters) -> Iterator[str]:
    """What the run starts from and, where it is named by its version, what it learns from."""
    try:
        config = parameters.config()
    except ConfigurationError:  # of another release, whose recipe is not here: it will not run either
        return
    for reference in (config.init_from, config.distillation.teacher):
        if reference is not None and "@" in reference:
            yield reference


def _has_more_than_log(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != LOG_NAME for path in folder.iterdir())


def _keep_log_alone(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOG_NAME:
            path.unlink(missing_ok=True)


def _changed_at(folder: Path) -> datetime:
    """When anything in the folder was last written; now where it vanishes meanwhile."""
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:
        return datetime.now(UTC)
    return datetime.fromtimestamp(newest, UTC)
