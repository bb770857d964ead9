"""What the client asks of jobs: training and evaluation, begun, followed, stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from core.jobs.parameters import JobKind, PromotionPolicy
from core.jobs.records import JobState
from core.jobs.stored_event import StoredEvent
from core.schemas.jobs import JobAccepted, JobAnswer, JobList
from core.schemas.recipes import RecipeList
from duet.client.connection import Methods, drop_none
from duet.client.errors import JobTimeoutError
from duet.client.events import follow


class JobMethods(Methods):
    """Of `Client`. Whatever starts, stops or repeats a job needs a key of scope jobs."""

    def recipes(self) -> RecipeList:
        """What can be trained, with all settings and their schema."""
        return self._connection.get("/recipes", RecipeList)

    def train(
        self,
        recipe: str,
        *,
        seed: int | None = None,
        data: str | None = None,
        family: str | None = None,
        init_from: str | None = None,
        overrides: Mapping[str, JsonValue] | None = None,
        promote: PromotionPolicy | None = None,
        idempotency_key: str | None = None,
    ) -> JobAccepted:
        """Ask for a training; it runs whatever becomes of this client.

        Args:
            recipe: such as cnn_baseline; `recipes` has them all.
            seed: of weights, order and augmentation; the recipe's where none is given.
            data: cifar10, which is the default, or `folder:NAME`.
            family: to publish under, where it is not to be the network's kind.
            init_from: a version to start from, such as cnn@3.
            overrides: settings of the recipe to change, such as {"epochs": 3}.
            promote: whether the version becomes champion: never, if_better (the default) or always.
            idempotency_key: of one's own, so that this call made again, even by another process, starts no second
                job; by default each call has one of its own, under which its retries are sent.

        Raises:
            InvalidRequestError: the recipe, a setting or the data are not what they should be.
        """
        asked = {"recipe": recipe, "seed": seed, "data": data, "family": family, "init_from": init_from}
        return self._submit("/train", {**asked, "overrides": overrides, "promote": promote}, idempotency_key)

    def evaluate(self, *versions: str, data: str | None = None, idempotency_key: str | None = None) -> JobAccepted:
        """Ask for an evaluation of versions such as cnn@3, all champions where none is named; else as `train`."""
        return self._submit("/evaluate", {"versions": list(versions), "data": data}, idempotency_key)

    def jobs(
        self,
        *,
        kind: JobKind | None = None,
        state: JobState | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobList:
        """A page of jobs, newest first.

        Args:
            kind: train or evaluate; both where none is given.
            state: only jobs in it.
            limit: most jobs on the page.
            cursor: `next_cursor` of the page before.
        """
        query = {"kind": kind, "state": state, "limit": limit, "cursor": cursor}
        return self._connection.get("/jobs", JobList, query)

    def job(self, job_id: str) -> JobAnswer:
        """One job: its state, its progress, what it came to."""
        return self._connection.get(_path(job_id), JobAnswer)

    def events(self, job_id: str, *, after: str | None = None) -> Iterator[StoredEvent]:
        """What has happened to a job, and then what happens, until it has ended.

        A connection that is lost is made again, and goes on after the last event that was seen. Of the progress
        within an epoch only the newest is kept; events of kinds that this client does not know are left out.

        Args:
            job_id: of the job.
            after: only events after the one with this id.

        Raises:
            NotFoundError: there is no such job.
            UnreachableError: the connection was lost, and could not be had again while the client had patience.
        """
        return follow(self._connection, f"{_path(job_id)}/events", after=after)

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> JobAnswer:
        """The job once it has ended, however that was: look at its `state`, `result` and `error`.

        Args:
            job_id: of the job.
            timeout_seconds: how long to wait, at least, and at most 15 s longer; for ever where it is not given.

        Raises:
            JobTimeoutError: it has not ended by then.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            for _ in follow(self._connection, f"{_path(job_id)}/events", until=until):
                pass
        except JobTimeoutError:
            job = self.job(job_id)  # may have ended before its events were all told
            if not job.finished:
                raise
            return job
        return self.job(job_id)

    def cancel(self, job_id: str) -> JobAnswer:
        """Cancel a job: at once where it waits, within seconds where it runs."""
        return self._connection.post(f"{_path(job_id)}/cancel", JobAnswer)

    def retry(self, job_id: str) -> JobAnswer:
        """Try a job again that failed or was cancelled, from its last checkpoint; never sent twice."""
        return self._connection.post(f"{_path(job_id)}/retry", JobAnswer, repeatable=False)

    def log(self, job_id: str, *, tail: int | None = None) -> str:
        """What the job's process has printed so far, or the last `tail` lines of it."""
        return self._connection.request("GET", f"{_path(job_id)}/log", params=drop_none({"tail": tail})).text

    def _submit(self, path: str, asked: Mapping[str, Any], idempotency_key: str | None) -> JobAccepted:
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return self._connection.post(path, JobAccepted, json=drop_none(asked), headers=headers)


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
