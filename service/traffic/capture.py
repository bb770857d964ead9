"""Capture: chooses a random share of answered requests and stores them; starts and stops the threads for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from core.schemas.api import CaptureStatus
from service.engine.engine import Engine
from service.engine.observer import AnsweredRequest
from service.settings import MIB, Settings
from service.traffic.deletion import Hidden
from service.traffic.maintenance import TrafficMaintenance
from service.traffic.other_families import OtherFamilies
from service.traffic.sample import Sample
from service.traffic.segments import segments_folder
from service.traffic.writer import Outcome, TrafficWriter


class Capture:
    """Observer of the engine that chooses each request with the same probability."""

    def __init__(self, writer: TrafficWriter, settings: Settings) -> None:
        self.writer = writer
        self._share = settings.capture_share
        self._settings = settings
        self._random = random.Random()

    def observe(self, answered: AnsweredRequest) -> None:
        """Queue the request for the writer, if it is chosen."""
        if self._random.random() < self._share:
            self.writer.put(Sample(answered, datetime.now(UTC), self._share))

    def status(self) -> CaptureStatus:
        """The settings, and the reason if nothing is stored at the moment."""
        return CaptureStatus(
            share=self._share,
            max_mib=self._settings.capture_mib,
            max_days=self._settings.capture_days,
            uploads=self._settings.capture_uploads,
            reason=self.writer.problem,
        )


class Traffic:
    """Stored traffic of one process: the writer, and the maintenance of all that is stored.

    Attributes:
        capture: random capture; None if DUET_CAPTURE_SHARE is 0.
    """

    def __init__(self, writer: TrafficWriter, maintenance: TrafficMaintenance, capture: Capture | None) -> None:
        self.capture = capture
        self._writer = writer
        self._maintenance = maintenance

    def start(self) -> None:
        """Start the threads, if they have not started yet. Shadow trials store samples without random capture too."""
        self._maintenance.start()
        self._writer.start()

    def put(self, sample: Sample) -> None:
        """See `TrafficWriter.put`; `start` comes first."""
        self._writer.put(sample)


@contextmanager
def capturing(
    settings: Settings,
    engine: Engine,
    loop: asyncio.AbstractEventLoop,
    count: Callable[[Outcome, int], None],
    erase_labels: Callable[[Hidden], int],
) -> Iterator[Traffic]:
    """Capture traffic during the context, if DUET_CAPTURE_SHARE is set.

    Maintenance runs if traffic is captured or was captured earlier. If neither is the case, no thread is started and
    no file is written before `Traffic.start`. Leaving the context writes the queued samples and blocks meanwhile, for
    less than a second.
    """
    with ExitStack() as stack:
        maintenance = TrafficMaintenance(settings.home, days=settings.capture_days, erase_labels=erase_labels)
        stack.callback(maintenance.close)
        others = OtherFamilies(engine, loop)
        stack.callback(others.close)
        writer = TrafficWriter(
            settings.home,
            quota_bytes=settings.capture_mib * MIB,
            uploads=settings.capture_uploads,
            ask=others.ask,
            count=count,
        )
        stack.callback(writer.close)
        if segments_folder(settings.home).is_dir():
            maintenance.start()
        if settings.capture_share == 0:
            yield Traffic(writer, maintenance, None)
            return
        capture = Capture(writer, settings)
        traffic = Traffic(writer, maintenance, capture)
        traffic.start()
        before = engine.observers
        engine.observers = (*before, capture.observe)
        yield traffic
        engine.observers = before
