"""Entry point of `duet serve`: one process, or a supervisor of several workers."""

from __future__ import annotations

import logging
import socket
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from core.files.home_lock import use_home
from core.tracing.tracer import check_tracing
from service.engine.memory import limit_free_memory
from service.engine.provider_policy import provider_groups
from service.observability.logging import configure_logging, log_settings
from service.security.key_source import KeySource
from service.server.announcement import announce_last
from service.server.exit_watchdog import ExitWatchdog
from service.server.server import BACKLOG, bind_socket, serve_on
from service.server.workers import supervise
from service.settings import Settings, mistyped_variables

log = logging.getLogger("duet.service")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish accepted requests and return.

    Raises:
        ConfigurationError: the address is not available, the key cannot be stored, the stored keys are not valid, the
            broker cannot be started, an execution provider is not installed, a backup is being restored into the home,
            or traces are requested that cannot be exported.
    """
    limit_free_memory()
    configure_logging(settings.log_level, settings.log_format)
    with use_home(settings.home):
        KeySource(settings.api_keys, settings.home)  # generates the key, and fails early if it cannot be stored
        check_tracing()  # fails early, before the processes that need it
        if settings.providers != ("auto",):
            provider_groups(settings.providers)  # fails early if one is missing
        _serve(settings)
    ExitWatchdog().start()


def _serve(settings: Settings) -> None:
    embedded_worker = settings.redis_url is None and settings.embedded_broker and settings.embedded_worker
    with bind_socket(settings, shared=False) as bound, _local_jobs(settings) as settings:
        log_settings(log, settings)
        for message in mistyped_variables():
            log.warning(message)
        announce_started = partial(announce_last, settings=settings, embedded_worker=embedded_worker)
        if settings.workers > 1:
            # Set after binding: workers may share the port, but a second service may not.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            supervise(settings, bound, announce_started)
        else:
            bound.listen(BACKLOG)
            serve_on(bound, settings, announce_started)


def _local_jobs(settings: Settings) -> AbstractContextManager[Settings]:
    """Start a broker and a worker if the settings name no broker; yields the settings with the URL of the broker."""
    if settings.redis_url is not None or not settings.embedded_broker:
        return nullcontext(settings)
    from service.server.local_jobs import local_jobs

    return local_jobs(settings)
