"""Entry point of `duet serve`: one process, or a supervisor of several workers; prints the start-up messages."""

from __future__ import annotations

import logging
import socket
from contextlib import AbstractContextManager, nullcontext

from core.files.home import no_versions
from core.repository.repository import MODELS_NAME, ModelRepository
from service.observability.logging import configure_logging
from service.security.authenticator import read_keyring
from service.security.key_file import generated_key
from service.server.server import BACKLOG, bind_socket, serve_on
from service.server.workers import supervise
from service.settings import Settings

log = logging.getLogger("duet.service")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish accepted requests and return.

    Raises:
        ConfigurationError: the address is not available, the key cannot be stored, or the broker cannot be started.
    """
    configure_logging(settings.log_level, settings.log_format)
    read_keyring(settings.api_keys, settings.home)  # generates the key, and fails early if it cannot be stored
    with bind_socket(settings, shared=False) as bound, _local_jobs(settings) as settings:
        log.info("settings", extra={"settings": settings.model_dump(mode="json")})
        if settings.workers > 1:
            # Set after binding: workers may share the port, but a second service may not.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            supervise(settings, bound, lambda address: announce(address, settings))
        else:
            bound.listen(BACKLOG)
            serve_on(bound, settings, lambda address: announce(address, settings))


def _local_jobs(settings: Settings) -> AbstractContextManager[Settings]:
    """Start a broker and a worker if the settings name no broker; yields the settings with the URL of the broker."""
    if settings.redis_url is not None or not settings.embedded_broker:
        return nullcontext(settings)
    from service.server.local_jobs import local_jobs

    return local_jobs(settings)


def announce(address: str, settings: Settings) -> None:
    """Print the address, a warning if the model repository is empty, and the API key if it was generated."""
    several = f" ({settings.workers} workers)" if settings.workers > 1 else ""
    lines = [f"Duet is listening on {address}{several}"]
    repository = ModelRepository(home_models=settings.home / MODELS_NAME, shipped=settings.shipped_models)
    if not repository.families():
        lines.append(f"No model to serve yet: {no_versions(repository.shipped, repository.home_models)}")
    if settings.api_keys is None:
        key = generated_key(settings.home)
        lines.append(f"API key for requests that change something: {key} (`duet key` shows it again)")
    print("\n".join(lines), flush=True)
