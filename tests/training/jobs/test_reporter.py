from __future__ import annotations

import pytest

from core.jobs.events import Epoch, FitStarted, Note, Permit, Progress, Stage
from core.jobs.worker_channel import JobCancelledError, WorkerChannel
from training.jobs.reporter import EventReporter
from training.run.checkpoint import EpochRecord


class RecordingChannel(WorkerChannel):
    def __init__(self) -> None:
        super().__init__(events=-1, answers=-1)
        self.sent: list[object] = []
        self.asked: list[str] = []
        self.cancelled = False

    def send(self, event: object) -> None:
        self.sent.append(event)

    def check(self) -> None:
        if self.cancelled:
            raise JobCancelledError

    def request_permission(self, action: str) -> None:
        self.asked.append(action)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


RECORD = EpochRecord(1, 2.0, 0.3, None, None, 0.1, 4.0)


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fit(channel: RecordingChannel, clock: Clock, *, steps: int, done: int, seconds: float) -> list[Progress]:
    reporter = EventReporter(channel, epochs=2, clock=clock)
    reporter.fit_started(steps=steps, done=done, detail="on something")
    clock.now += 5  # the first step does not count
    for _ in range(steps - done):
        reporter.step(epoch=1, loss=1.5, accuracy=0.25)
        clock.now += seconds
    return [event for event in channel.sent if isinstance(event, Progress)]


def test_progress_is_rate_limited_except_first_and_last_step(channel: RecordingChannel, clock: Clock) -> None:
    sent = fit(channel, clock, steps=1000, done=0, seconds=0.01)
    assert sent[0].step == 1
    assert sent[-1].step == 1000
    assert 45 <= len(sent) <= 52  # in ten seconds
    assert channel.sent[0] == FitStarted(steps=1000, done=0, detail="on something")


def test_slow_steps_are_all_sent(channel: RecordingChannel, clock: Clock) -> None:
    sent = fit(channel, clock, steps=7, done=3, seconds=1.0)
    assert [event.step for event in sent] == [4, 5, 6, 7]


def test_seconds_left_use_the_steps_of_this_attempt(channel: RecordingChannel, clock: Clock) -> None:
    sent = fit(channel, clock, steps=13, done=3, seconds=2.0)
    assert [event.seconds_left for event in sent] == [None, 16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0, 0.0]


def test_stages_epochs_and_notes_are_sent(channel: RecordingChannel) -> None:
    reporter = EventReporter(channel, epochs=3)
    reporter.stage("fit")
    reporter.epoch(RECORD, 3)
    reporter.note("by the way")
    reporter.writing("checkpoint")
    assert channel.sent == [
        Stage(name="fit"),
        Epoch(
            epoch=1, epochs=3, train_loss=2.0, train_accuracy=0.3, validation_loss=None, validation_accuracy=None,
            learning_rate=0.1, seconds=4.0,
        ),
        Note(text="by the way"),
    ]  # fmt: skip
    assert channel.asked == ["checkpoint"]
    assert not any(isinstance(event, Permit) for event in channel.sent)


@pytest.mark.parametrize("what", ["stage", "step", "epoch", "note", "fit_started"])
def test_every_report_checks_for_cancellation(what: str, channel: RecordingChannel) -> None:
    reporter = EventReporter(channel, epochs=1)
    channel.cancelled = True
    calls = {
        "stage": lambda: reporter.stage("fit"),
        "step": lambda: reporter.step(epoch=1, loss=1.0, accuracy=0.5),
        "epoch": lambda: reporter.epoch(RECORD, 1),
        "note": lambda: reporter.note("hm"),
        "fit_started": lambda: reporter.fit_started(steps=1, done=0, detail=""),
    }
    with pytest.raises(JobCancelledError):
        calls[what]()
