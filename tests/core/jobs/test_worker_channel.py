import os
import threading
from collections.abc import Iterator

import pytest

from core.jobs import worker_channel
from core.jobs.events import Cancel, Note, Permission, Permit, read_child_message, to_line
from core.jobs.worker_channel import JobCancelledError, NotPermittedError, WorkerChannel


class Ends:
    """A channel, and the worker's ends of its pipes."""

    def __init__(self) -> None:
        self.events, writes = os.pipe()
        reads, self.says = os.pipe()
        self.channel = WorkerChannel(events=writes, answers=reads)
        self._child_ends = (writes, reads)

    def say(self, message: Permission | Cancel) -> None:
        os.write(self.says, to_line(message))

    def sent(self) -> list[object]:
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
    ends.channel.listen()
    yield ends
    os.close(ends.says)
    assert died.wait(10)
    ends.says = os.dup(ends.events)
    ends.close()


def test_sent_events_arrive_as_lines(ends: Ends) -> None:
    ends.channel.send(Note(text="one\ntwo"))
    ends.channel.send(Note(text="three"))
    assert ends.sent() == [Note(text="one\ntwo"), Note(text="three")]


def test_request_permission_waits_for_its_number(ends: Ends) -> None:
    ends.say(Permission(number=1, granted=True))
    ends.channel.request_permission("checkpoint")
    ends.say(Permission(number=1, granted=False))
    ends.say(Permission(number=2, granted=True))
    ends.channel.request_permission("publish")
    assert ends.sent() == [Permit(number=1, action="checkpoint"), Permit(number=2, action="publish")]


def test_refused_permission_raises(ends: Ends) -> None:
    ends.say(Permission(number=1, granted=False))
    with pytest.raises(NotPermittedError):
        ends.channel.request_permission("publish")


def test_cancellation_is_raised_by_check_and_request(ends: Ends) -> None:
    ends.channel.check()
    threading.Timer(0.1, ends.say, [Cancel()]).start()
    with pytest.raises(JobCancelledError):
        ends.channel.request_permission("checkpoint")
    with pytest.raises(JobCancelledError):
        ends.channel.check()
    with pytest.raises(JobCancelledError):
        ends.channel.request_permission("checkpoint")
    assert ends.sent() == [Permit(number=1, action="checkpoint")]


def test_cancellation_is_not_an_exception_subclass() -> None:
    assert not issubclass(JobCancelledError, Exception)
    assert not issubclass(NotPermittedError, Exception)


def test_invalid_message_of_the_worker_ends_the_process(ends: Ends, died: threading.Event) -> None:
    os.write(ends.says, b"hello\n")
    assert died.wait(10)


def test_closed_pipe_ends_the_process(died: threading.Event) -> None:
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
