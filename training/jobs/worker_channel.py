"""Channel between a job process and its worker, made of two pipes: events out, permissions and cancellation in."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Literal

from core.errors import JobEventError
from core.jobs.events import Cancel, Permission, Permit, ReportedEvent, read_worker_message, to_line
from training.jobs.termination import JobCancelledError, NotPermittedError, die


class WorkerChannel:
    """Sends events to the worker and receives its messages in a background thread.

    The process exits at once if the worker closes the channel, because another worker may already resume the job.

    Args:
        events: file descriptor to write to.
        answers: file descriptor to read from.
    """

    def __init__(self, *, events: int, answers: int) -> None:
        self._events = events
        self._answers = answers
        self._cancelled = threading.Event()
        self._received: queue.SimpleQueue[Permission | Cancel] = queue.SimpleQueue()
        self._requests = 0

    def listen(self) -> None:
        """Start the thread that receives messages."""
        threading.Thread(target=self._read, name="worker", daemon=True).start()

    def send(self, event: ReportedEvent | Permit) -> None:
        """Send an event to the worker."""
        rest = to_line(event)
        try:
            while rest:
                rest = rest[os.write(self._events, rest) :]
        except BrokenPipeError:
            die()

    def check(self) -> None:
        """Check for cancellation.

        Raises:
            JobCancelledError: the worker cancelled the job.
        """
        if self._cancelled.is_set():
            raise JobCancelledError

    def request_permission(self, action: Literal["checkpoint", "publish"]) -> None:
        """Request permission to write and wait for it. The worker may wait for the broker without a time limit.

        Raises:
            NotPermittedError: the worker refused.
            JobCancelledError: the worker cancelled the job.
        """
        self.check()
        self._requests += 1
        self.send(Permit(number=self._requests, action=action))
        while True:
            match self._received.get():
                case Permission(number=number, granted=granted) if number == self._requests:
                    if not granted:
                        raise NotPermittedError
                    return
                case Cancel():
                    raise JobCancelledError

    def _read(self) -> None:
        try:
            with open(self._answers, "rb", closefd=False) as stream:
                for line in stream:
                    message = read_worker_message(line)
                    if isinstance(message, Cancel):
                        self._cancelled.set()
                    self._received.put(message)
        except JobEventError as error:
            print(error, file=sys.stderr)
        finally:
            die()
