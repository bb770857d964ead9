import os
import threading
from collections.abc import Iterator

import pytest

from core.jobs.events import Cancel, Note, Permission, Permit, read_child_message, to_line
from training.jobs import worker_channel
from training.jobs.termination import JobCancelledError, NotPermittedError
from training.jobs.worker_channel import WorkerChannel


class Ends:
    """A line and what a worker has in its hands."""

    def __init__(self) -> None:
        self.events, writes = os.pipe()
        reads, self.says = os.pipe()
        self.line = WorkerChannel(events=writes, answers=reads)
        self._child_ends = (writes, reads)

    def say(self, message: Permission | Cancel) -> None:
        os.write(self.says, to_line(message))

    def told(self) -> list[object]:
        return [read_child_message(line) for line in os.read(self.events, 65536).splitlines()]

    def close(self) -> None:
        for descriptor in (self.events, self.says, *self._child_ends):
            os.close(descriptor)


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    event = threading.Event()
    monkeypatch.setattr(worker_channel, "die", event.set)
    return event


@pytest.fixture
def ends(died: threading.Event) -> Iterator[Ends]:
    ends = Ends()
    ends.line.listen()
    yield ends
    os.close(ends.says)
    assert died.wait(10)
    ends.says = os.dup(ends.events)
    ends.close()


def test_what_is_told_arrives_as_lines(ends: Ends) -> None:
    ends.line.send(Note(text="one\ntwo"))
    ends.line.send(Note(text="three"))
    assert ends.told() == [Note(text="one\ntwo"), Note(text="three")]


def test_a_permit_waits_for_the_answer_with_its_number(ends: Ends) -> None:
    ends.say(Permission(number=1, granted=True))
    ends.line.ask("checkpoint")
    ends.say(Permission(number=1, granted=False))
    ends.say(Permission(number=2, granted=True))
    ends.line.ask("publish")
    assert ends.told() == [Permit(number=1, action="checkpoint"), Permit(number=2, action="publish")]


def test_what_is_not_granted_ends_the_run(ends: Ends) -> None:
    ends.say(Permission(number=1, granted=False))
    with pytest.raises(NotPermittedError):
        ends.line.ask("publish")


def test_cancellation_is_heard_at_the_next_look_and_while_a_permit_is_waited_for(ends: Ends) -> None:
    ends.line.check()
    threading.Timer(0.1, ends.say, [Cancel()]).start()
    with pytest.raises(JobCancelledError):
        ends.line.ask("checkpoint")
    with pytest.raises(JobCancelledError):
        ends.line.check()
    with pytest.raises(JobCancelledError):
        ends.line.ask("checkpoint")
    assert ends.told() == [Permit(number=1, action="checkpoint")]


def test_no_broad_handler_on_the_way_swallows_a_cancellation() -> None:
    assert not issubclass(JobCancelledError, Exception)
    assert not issubclass(NotPermittedError, Exception)


def test_a_worker_that_talks_nonsense_is_no_worker(ends: Ends, died: threading.Event) -> None:
    os.write(ends.says, b"hello\n")
    assert died.wait(10)


def test_a_worker_that_no_longer_reads_is_gone(died: threading.Event) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    line = WorkerChannel(events=writes, answers=0)

    class GoneError(Exception):
        pass

    def die() -> None:
        died.set()
        raise GoneError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_channel, "die", die)
        with pytest.raises(GoneError):
            line.send(Note(text="hello"))
    os.close(writes)
