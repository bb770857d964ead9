"""Collector of webhook events: reads ended jobs, alarms and champion changes, and stores them in the outboxes.

Each source is durable: the broker has the ends of jobs, and DUET_HOME has alarms and the audit trail. An event is
therefore not lost if a process dies before its message is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from core.errors import JobNotFoundError, RepositoryError
from core.jobs.records import FinalState
from core.repository.alias_files import TRAIL_NAME
from core.repository.champions import history
from core.repository.repository import ModelRepository
from core.schemas.live import LiveAlarm
from service.jobs.maintenance.reaper import leader
from service.jobs.store.keys import ENDS
from service.jobs.store.redis_client import broker_errors
from service.jobs.store.store import JobStore
from service.settings import Settings
from service.webhooks.events import Event, alarm_raised, champion_changed, job_ended
from service.webhooks.outbox import Outbox

MAX_ENDS = 100
"""Number of ended jobs per round; the next round reads the others."""
log = logging.getLogger("duet.webhooks")


class EventCollector:
    """Collects events; any number of processes may run one, a lock lets one work at a time."""

    def __init__(
        self,
        store: JobStore,
        outboxes: Sequence[Outbox],
        repository: ModelRepository,
        settings: Settings,
        *,
        alarms: Callable[[], Sequence[LiveAlarm]],
        count: Callable[[str], None],
    ) -> None:
        """Create the collector.

        Args:
            store: jobs, and the broker of the outboxes.
            outboxes: one for each receiver.
            repository: its audit trail has the changes of champions.
            settings: settings of the service.
            alarms: returns all alarms of live traffic.
            count: called with `dropped` for each message that an outbox has no room for.
        """
        self._store = store
        self._outboxes = outboxes
        self._repository = repository
        self._settings = settings
        self._alarms = alarms
        self._count = count
        self._stored: set[str] = set()
        self._trail: tuple[int, int] | None = None

    def run_once(self) -> None:
        """Store the messages of new events, or do nothing if another process does.

        Raises:
            BrokerUnavailableError: the broker cannot be used.
        """
        with leader(self._store.client, "webhooks") as ours:
            if not ours:
                return
            for outbox in self._outboxes:
                outbox.open()
            self._collect_jobs()
            for alarm in self._alarms():
                self._add_once(alarm_raised(alarm))
            for event in self._champion_changes():
                self._add_once(event)

    def _collect_jobs(self) -> None:
        with broker_errors():
            ends: Any = self._store.client.zrange(ENDS, 0, MAX_ENDS - 1)
        for end in ends:
            job_id, state, milliseconds = end.split(":")
            at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
            try:
                record = self._store.get(job_id)
            except JobNotFoundError:  # removed since, long after its end
                pass
            else:
                self._add(job_ended(record, cast(FinalState, state), at, self._settings))
            with broker_errors():
                self._store.client.zrem(ENDS, end)

    def _champion_changes(self) -> Iterator[Event]:
        """Changes of champions, if the audit trail has changed since the last call."""
        try:
            status = (self._repository.home_models / TRAIL_NAME).stat()
            stamp = (status.st_size, status.st_mtime_ns)
            if stamp == self._trail:
                return
            entries = history(self._repository)
        except FileNotFoundError:
            return
        except (OSError, RepositoryError) as error:
            log.warning("the audit trail cannot be read for webhooks: %s", error)
            return
        yield from (champion_changed(entry) for entry in entries if entry.action != "delete")
        self._trail = stamp

    def _add_once(self, event: Event) -> None:
        """Add an event of a source that lists old events again in each round."""
        if event.id not in self._stored:
            self._add(event)
            self._stored.add(event.id)

    def _add(self, event: Event) -> None:
        for outbox in self._outboxes:
            if outbox.add(event) == "full":
                self._count("dropped")
                log.error("a webhook (%s) is dropped: the receiver has too many waiting messages", event.type)
