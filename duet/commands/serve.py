"""`duet serve`: the HTTP service in this process, and what runs its jobs beside it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from duet.commands.extras import require_serve


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; DUET_HOST by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one; DUET_PORT by default.")] = None,
    worker: Annotated[
        bool | None, typer.Option(help="Whether to run jobs beside it; DUET_EMBEDDED_WORKER by default.")
    ] = None,
) -> None:
    """Serve the models and run jobs until SIGTERM or Ctrl-C; every other setting is an environment variable."""
    require_serve("duet serve")
    from service.server.main import serve as run
    from service.settings import read_settings

    given: dict[str, Any] = {"host": host, "port": port, "embedded_worker": worker}
    run(read_settings(**{name: value for name, value in given.items() if value is not None}))
