"""`duet predict --dataset`: predict a data set of a service as a job, and download its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import typer

from duet.commands.common import interruptible, progress_bar, run_again

if TYPE_CHECKING:
    from core.jobs.parameters import TableFormat
    from core.repository.manifest import Precision


def predict_dataset(
    name: str, out: Path, *, model: str, precision: Precision | None, url: str, api_key: str | None
) -> None:
    """Start the job, show its progress until it ends, and download the table to `out`.

    `OUT.job` has the idempotency key of the job until then, so that the same command finds the job again.

    Raises:
        ConfigurationError: `out` exists or cannot be written.
        ClientError: the service does not respond or refuses the job, or the job failed or was cancelled.
    """
    from core.batch.output import check_output, format_of
    from core.errors import ConfigurationError
    from core.files.durable import atomic_replace
    from core.images.labelled_folders import FOLDER_PREFIX
    from core.jobs.batch_result import BatchResult
    from core.jobs.events import Progress
    from duet.client.client import Client
    from duet.client.errors import ClientError, ResponseError

    check_output(out)
    if out.exists():
        raise ConfigurationError(f"{out} exists: remove it, or name another --out")
    started = out.with_name(f"{out.name}.job")
    if not started.exists():
        try:
            atomic_replace(started, uuid4().hex.encode())
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {started} ({error.strerror}): make its folder writable, or name another --out"
            ) from error
    with Client(url, api_key=api_key) as client, interruptible(run_again):
        try:
            accepted = client.predict_dataset(
                name.removeprefix(FOLDER_PREFIX),
                model,
                precision=precision,
                table_format=cast("TableFormat", format_of(out)),  # checked by `check_output`
                idempotency_key=started.read_text(encoding="utf-8"),
            )
        except ResponseError:
            started.unlink()
            raise
        with progress_bar() as progress:
            task = progress.add_task(f"Predicting {name} in job {accepted.id}", total=None)
            for message in client.events(accepted.id):
                if isinstance(message.event, Progress):
                    progress.update(task, completed=message.event.step, total=message.event.steps)
        job = client.job(accepted.id)
        if job.state != "succeeded":
            started.unlink()
            reason = f"{job.error.type}: {job.error.message}" if job.error else "it was cancelled"
            raise ClientError(f"job {job.id} has {job.state}: {reason}")
        client.download_result(job.id, out)
    started.unlink()
    [table] = BatchResult.model_validate(job.result, extra="ignore").tables
    typer.echo(f"{table.model}: {table.predicted:,} files predicted, {table.unreadable:,} unreadable, in {out}")
