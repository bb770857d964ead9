"""`duet serve`, `duet worker` and `duet key`: HTTP service, job worker, generated API key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from duet.commands.extras import require_serve


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default DUET_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, or 0 for any free port; by default DUET_PORT.")] = None,
    worker: Annotated[
        bool | None, typer.Option(help="Run jobs with an embedded worker; by default DUET_EMBEDDED_WORKER.")
    ] = None,
) -> None:
    """Serve the models and run jobs until SIGTERM or Ctrl-C; other settings are environment variables."""
    require_serve("duet serve")
    from service.server.main import serve as run
    from service.settings import read_settings

    options: dict[str, Any] = {"host": host, "port": port, "embedded_worker": worker}
    run(read_settings(**{name: value for name, value in options.items() if value is not None}))


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


def key() -> None:
    """Print the API key that `duet serve` generated for routes that change state; nothing is created."""
    require_serve("duet key")
    from core.errors import ConfigurationError
    from service.security.key_file import KEY_FILE, generated_key
    from service.settings import read_settings

    settings = read_settings()
    if settings.api_keys is not None:
        raise ConfigurationError("no key is generated if DUET_API_KEYS is set: use one of its keys")
    if not (settings.home / KEY_FILE).exists():
        raise ConfigurationError(
            f"no API key in {settings.home}: `duet serve` generates it at its first start. If the service runs with "
            "another home, set DUET_HOME to it; in its environment, `duet home` prints it"
        )
    typer.echo(generated_key(settings.home))
