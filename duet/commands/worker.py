"""`duet worker`: run training and evaluation jobs from the service's broker."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from duet.commands.extras import require_serve


def worker(
    queues: Annotated[
        str | None, typer.Option(help="Kinds of jobs to run, such as train,evaluate; by default DUET_WORKER_QUEUES.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of parallel jobs; by default DUET_WORKER_JOBS.")] = None,
) -> None:
    """Run training and evaluation jobs until SIGTERM or Ctrl-C; other settings are environment variables."""
    require_serve("duet worker")
    from service.jobs.worker.worker import run_worker
    from service.settings import read_settings

    options: dict[str, Any] = {"worker_queues": queues, "worker_jobs": jobs}
    run_worker(read_settings(**{name: value for name, value in options.items() if value is not None}))
