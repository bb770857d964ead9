"""Start-up message of `duet serve`: the address and the generated API key, below the log lines of the start."""

from __future__ import annotations

import sys
import threading
import time
import urllib.request

from core.errors import BrokerUnavailableError
from core.files.home import no_versions
from core.repository.repository import MODELS_NAME, ModelRepository
from service.observability.logging import has_colors
from service.security.key_file import generated_key
from service.settings import Settings

MAX_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.1
_WORKER_LINES_SECONDS = 1.0
"""Time for the first log lines of a worker after its first heartbeat."""
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def announce_last(address: str, settings: Settings, *, embedded_worker: bool) -> None:
    """Print the message: at once to a pipe or file, and on a terminal when the models and the worker have started."""
    if not sys.stdout.isatty():
        announce(address, settings)
        return
    threading.Thread(
        target=_announce_when_started, args=(address, settings, embedded_worker), name="announcement", daemon=True
    ).start()


def announce(address: str, settings: Settings) -> None:
    """Print the address, the API key if it was generated, and warnings: no models, or captured traffic."""
    bold, reset = (_BOLD, _RESET) if has_colors(sys.stdout) else ("", "")
    several = f" ({settings.workers} workers)" if settings.workers > 1 else ""
    lines = [f"Duet is listening on {bold}{address}{reset}{several}"]
    repository = ModelRepository(home_models=settings.home / MODELS_NAME, shipped=settings.shipped_models)
    if not repository.families():
        lines.append(f"No model to serve yet: {no_versions(repository.shipped, repository.home_models)}")
    if settings.api_keys is None:
        key = generated_key(settings.home)
        lines.append(f"API key for requests that change something: {bold}{key}{reset} (`duet key` shows it again)")
    if settings.capture_share > 0:
        lines.append(
            f"Capturing {settings.capture_share:.3g} of the answered requests with their images under "
            f"{settings.home / 'traffic'} (DUET_CAPTURE_SHARE)"
        )
    if sys.stdout.isatty():
        lines = ["", *lines, ""]
    print("\n".join(lines), flush=True)


def _announce_when_started(address: str, settings: Settings, embedded_worker: bool) -> None:
    give_up = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < give_up and not _is_ready(address):
        time.sleep(_POLL_SECONDS)
    if settings.redis_url is not None and embedded_worker:
        while time.monotonic() < give_up and not _has_worker(settings.redis_url.get_secret_value()):
            time.sleep(_POLL_SECONDS)
        time.sleep(_WORKER_LINES_SECONDS)
    announce(address, settings)


def _is_ready(address: str) -> bool:
    try:
        with _WITHOUT_PROXY.open(f"{address}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _has_worker(url: str) -> bool:
    from service.jobs.store.heartbeats import Heartbeats
    from service.jobs.store.store import JobStore

    try:
        return bool(Heartbeats(JobStore.open(url).client).all())
    except BrokerUnavailableError:
        return False
