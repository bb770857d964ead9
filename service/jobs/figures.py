"""Figures of jobs for a scrape of the metrics: one read at a time and at most one a second, with a time limit."""

from __future__ import annotations

import asyncio
import logging
import time

from anyio import to_thread

from core.errors import BrokerUnavailableError
from service.jobs.store.figures import JobFiguresScript
from service.jobs.store.redis_client import connect_briefly
from service.observability.job_metrics import JobFigures

log = logging.getLogger("duet.jobs")
SCRAPE_SECONDS = 1.0
"""Time limit of a scrape for the broker; a broker that is slower counts as down."""
RESPONSE_SECONDS = 0.5
"""Time limit of one attempt to connect or to read; a read that was given up ends by itself."""
MIN_AGE_SECONDS = 1.0
"""Time for which figures are used again, because anyone may request the metrics."""


class JobFiguresReader:
    """Reads figures on behalf of any number of concurrent scrapes. Used from one event loop."""

    def __init__(self, url: str) -> None:
        """`url` is that of the broker, which need not run."""
        self._client = connect_briefly(url, RESPONSE_SECONDS)
        self._script = JobFiguresScript(self._client)
        self._reading: asyncio.Task[JobFigures | None] | None = None
        self._began = 0.0

    async def read(self) -> JobFigures | None:
        """The figures, at most MIN_AGE_SECONDS old; None if the broker is unavailable or does not respond in time."""
        reading = self._reading
        if reading is None or (reading.done() and time.monotonic() - self._began >= MIN_AGE_SECONDS):
            self._began = time.monotonic()
            reading = self._reading = asyncio.create_task(to_thread.run_sync(self._try))
        done, _ = await asyncio.wait({reading}, timeout=SCRAPE_SECONDS)
        return reading.result() if done else None

    async def close(self) -> None:
        """Wait for the current read, and close the connection."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
        self._client.close()

    def _try(self) -> JobFigures | None:
        try:
            return self._script.read()
        except BrokerUnavailableError:
            return None  # the maintenance loop logs it
        except Exception:
            log.exception("could not read the figures of jobs")
            return None
