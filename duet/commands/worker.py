"""`duet worker`: run jobs of a broker that the service shares."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from duet.commands.extras import require_serve


def worker(
    queues: Annotated[
        str | None, typer.Option(help="Kinds of jobs to take, such as train,evaluate; DUET_WORKER_QUEUES by default.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Jobs at a time; DUET_WORKER_JOBS by default.")] = None,
) -> None:
    """Run training and evaluation jobs until SIGTERM or Ctrl-C; every other setting is an environment variable."""
    require_serve("duet worker")
    from service.jobs.worker.worker import run_worker
    from service.settings import read_settings

    given: dict[str, Any] = {"worker_queues": queues, "worker_jobs": jobs}
    run_worker(read_settings(**{name: value for name, value in given.items() if value is not None}))
