"""Job methods of the client: start, follow, cancel and retry jobs, and download tables of predictions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from core.files.durable import atomic_replace
from core.images.labelled_folders import FOLDER_PREFIX
from core.jobs.events import StoredEvent
from core.jobs.parameters import JobKind, PromotionPolicy, TableFormat
from core.jobs.records import JobState
from core.repository.manifest import Precision
from core.schemas.jobs import JobAccepted, JobAnswer, JobList, RecipeList
from duet.client.connection import Methods, drop_none, parsed, succeeded
from duet.client.errors import ClientError, JobTimeoutError
from duet.client.events import follow


class JobMethods(Methods):
    """Job methods of `Client`; starting, cancelling and retrying need a key with scope jobs."""

    def recipes(self) -> RecipeList:
        """List the recipes with their settings and JSON schema."""
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
        """Start a training job; it continues if this client disconnects.

        Args:
            recipe: name of the recipe, such as cnn_baseline; see `recipes`.
            seed: seed of weights, order and augmentation; by default the recipe's.
            data: cifar10 (the default) or `folder:NAME`.
            family: model to publish under; by default the kind of the network.
            init_from: version to start from, such as cnn@3.
            overrides: changed settings of the recipe, such as {"epochs": 3}.
            promote: promotion policy: never, if_better (the default) or always.
            idempotency_key: repeated calls with the same key start one job; by default each call has a new key,
                which its retries share.

        Raises:
            InvalidRequestError: the recipe, a setting or the data set is invalid.
        """
        body = {"recipe": recipe, "seed": seed, "data": data, "family": family, "init_from": init_from}
        return self._submit("/train", {**body, "overrides": overrides, "promote": promote}, idempotency_key)

    def evaluate(self, *versions: str, data: str | None = None, idempotency_key: str | None = None) -> JobAccepted:
        """Start an evaluation job for versions such as cnn@3, by default all champions; see `train`."""
        return self._submit("/evaluate", {"versions": list(versions), "data": data}, idempotency_key)

    def predict_dataset(
        self,
        name: str,
        *models: str,
        precision: Precision | None = None,
        table_format: TableFormat | None = None,
        idempotency_key: str | None = None,
    ) -> JobAccepted:
        """Start a job that predicts all images of an uploaded data set; `download_result` gets its tables.

        Args:
            name: name of the data set.
            models: such as cnn@3, or cnn (the default) for its champion; each gets a table.
            precision: fp32, bf16 or int8; by default that of the service.
            table_format: csv (the default), jsonl or parquet.
            idempotency_key: see `train`.

        Raises:
            InvalidRequestError: the data set does not exist or has no images, or the format cannot be written.
            NotFoundError: a model does not exist.
        """
        body = {"data": f"{FOLDER_PREFIX}{name}", "models": list(models) or None}
        return self._submit("/batch", {**body, "precision": precision, "format": table_format}, idempotency_key)

    def download_result(self, job_id: str, path: str | os.PathLike[str], *, model: str | None = None) -> Path:
        """Download a table of a batch prediction to `path`, which is replaced when all has arrived.

        Args:
            job_id: id of a job of kind batch that has succeeded.
            path: file to write.
            model: version of the table, such as cnn@3; needed if the job has several.

        Raises:
            ConflictError: the job has no result, or it was deleted.
            ClientError: the file cannot be written.
        """
        target = Path(path)
        with self._connection.streamed(f"{_path(job_id)}/result", {}, drop_none({"model": model})) as response:
            chunks = succeeded(response).iter_bytes()
            try:
                atomic_replace(target, lambda stream: stream.writelines(chunks))
            except OSError as error:
                raise ClientError(f"cannot write {target}: {error.strerror}") from error
        return target

    def delete_result(self, job_id: str) -> JobAnswer:
        """Delete the tables of a batch prediction that has ended; the request is not retried."""
        return parsed(self._connection.request("DELETE", f"{_path(job_id)}/result", repeatable=False), JobAnswer)

    def download(self, data: str = "cifar10") -> JobAccepted:
        """Start the download of a built-in data set, or return the download that is queued or running."""
        return self._connection.post(f"/datasets/{quote(data, safe='')}/download", JobAccepted)

    def jobs(
        self,
        *,
        kind: JobKind | None = None,
        state: JobState | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobList:
        """List a page of jobs, newest first.

        Args:
            kind: train, evaluate, batch or download; by default all.
            state: only jobs in this state.
            limit: maximum number of jobs on the page.
            cursor: `next_cursor` of the previous page.
        """
        query = {"kind": kind, "state": state, "limit": limit, "cursor": cursor}
        return self._connection.get("/jobs", JobList, query)

    def job(self, job_id: str) -> JobAnswer:
        """Return one job with its state, progress and result."""
        return self._connection.get(_path(job_id), JobAnswer)

    def events(self, job_id: str, *, after: str | None = None) -> Iterator[StoredEvent]:
        """Yield the past and future events of a job until it ends.

        A lost connection is resumed after the last event. The service keeps only the newest progress event within an
        epoch. Events of unknown kinds are skipped.

        Args:
            job_id: id of the job.
            after: start after the event with this id.

        Raises:
            NotFoundError: the job does not exist.
            UnreachableError: the connection could not be restored within the retry timeout.
        """
        return follow(self._connection, f"{_path(job_id)}/events", after=after)

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> JobAnswer:
        """Wait until a job ends and return it; see its `state`, `result` and `error`.

        Args:
            job_id: id of the job.
            timeout_seconds: timeout, exceeded by at most 15 s; by default none.

        Raises:
            JobTimeoutError: the job did not end within the timeout.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            for _ in follow(self._connection, f"{_path(job_id)}/events", until=until):
                pass
        except JobTimeoutError:
            job = self.job(job_id)  # may have ended before all its events arrived
            if not job.finished:
                raise
            return job
        return self.job(job_id)

    def cancel(self, job_id: str) -> JobAnswer:
        """Cancel a job: immediately if it is queued, within seconds if it is running."""
        return self._connection.post(f"{_path(job_id)}/cancel", JobAnswer)

    def retry(self, job_id: str) -> JobAnswer:
        """Resume a failed or cancelled job from its last checkpoint; the request is not retried."""
        return self._connection.post(f"{_path(job_id)}/retry", JobAnswer, repeatable=False)

    def log(self, job_id: str, *, tail: int | None = None) -> str:
        """Return the output of the job's process so far, or its last `tail` lines."""
        return self._connection.request("GET", f"{_path(job_id)}/log", params=drop_none({"tail": tail})).text

    def _submit(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> JobAccepted:
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return self._connection.post(path, JobAccepted, json=drop_none(body), headers=headers)


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
