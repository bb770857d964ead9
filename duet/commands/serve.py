"""`duet serve`: HTTP service, with an embedded worker for jobs."""

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
