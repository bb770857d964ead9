from __future__ import annotations

from core.jobs.count_reporter import PAUSE_SECONDS, CountReporter
from core.jobs.events import Permit, Progress, ReportedEvent
from core.jobs.worker_channel import WorkerChannel


class Channel(WorkerChannel):
    """Keeps the events."""

    def __init__(self) -> None:
        super().__init__(events=-1, answers=-1)
        self.sent: list[Progress] = []

    def send(self, event: ReportedEvent | Permit) -> None:
        assert isinstance(event, Progress)
        self.sent.append(event)


def test_first_and_last_counts_are_sent_and_others_in_intervals() -> None:
    channel, now = Channel(), [0.0]
    reporter = CountReporter(channel, clock=lambda: now[0])
    for done in (20, 21, 22, 23):
        reporter.report(done, 100)
        now[0] += PAUSE_SECONDS / 2
    reporter.report(100, 100)
    reporter.report(100, 100)
    assert [(event.step, event.steps) for event in channel.sent] == [(20, 100), (22, 100), (100, 100)]
    # 2 in 0.2 s, without the 20 of an earlier attempt.
    assert [event.seconds_left for event in channel.sent] == [None, 7.8, 0.0]
