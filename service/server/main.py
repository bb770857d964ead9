"""Entry point of `duet serve`: one process, or a supervisor of several workers."""

from __future__ import annotations

import logging
import socket
from contextlib import AbstractContextManager, nullcontext

from service.observability.logging import configure_logging
from service.security.authenticator import create_authenticator
from service.server.banner import announce
from service.server.server import BACKLOG, bind_socket, serve_on
from service.server.workers import supervise
from service.settings import Settings

log = logging.getLogger("duet.service")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    Raises:
        ConfigurationError: the address cannot be listened on, the key cannot be kept, or the broker cannot be run.
    """
    configure_logging(settings.log_level, settings.log_format)
    create_authenticator(settings)  # for its key: one that cannot be kept is said before anything else happens
    with bind_socket(settings, shared=False) as bound, _with_jobs(settings) as settings:
        log.info("settings", extra={"settings": settings.model_dump(mode="json")})
        if settings.workers > 1:
            # Set after binding, these let workers in; set before, they would have let this service in beside another.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            supervise(settings, bound)
        else:
            bound.listen(BACKLOG)
            serve_on(bound, settings, lambda address: announce(address, settings))


def _with_jobs(settings: Settings) -> AbstractContextManager[Settings]:
    """What runs jobs, where the settings name no broker that it runs beside; and the settings that know where it is."""
    if settings.redis_url is not None or not settings.embedded_broker:
        return nullcontext(settings)
    from service.server.local_jobs import jobs_beside

    return jobs_beside(settings)
