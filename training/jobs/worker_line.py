"""The two pipes between a job's process and its worker."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Literal

from core.errors import JobEventError
from core.jobs.events import Cancel, Permission, Permit, ReportedEvent, read_worker_message, to_line
from training.jobs.lifeline import die
from training.jobs.stopping import JobCancelledError, NotPermittedError


class WorkerLine:
    """Tells the worker what happens and hears from it.

    A thread reads what the worker says. When there is nobody at the other end any more, the process dies at once:
    another worker may be about to go on with the job.

    Args:
        events: file descriptor to write to.
        answers: file descriptor to read from.
    """

    def __init__(self, *, events: int, answers: int) -> None:
        self._events = events
        self._answers = answers
        self._cancelled = threading.Event()
        self._heard: queue.SimpleQueue[Permission | Cancel] = queue.SimpleQueue()
        self._asked = 0

    def listen(self) -> None:
        """Begin to hear the worker."""
        threading.Thread(target=self._read, name="worker", daemon=True).start()

    def send(self, event: ReportedEvent | Permit) -> None:
        """Tell the worker."""
        rest = to_line(event)
        try:
            while rest:
                rest = rest[os.write(self._events, rest) :]
        except BrokenPipeError:
            die()

    def check(self) -> None:
        """Whether to go on.

        Raises:
            JobCancelledError: the worker said to stop.
        """
        if self._cancelled.is_set():
            raise JobCancelledError

    def ask(self, action: Literal["checkpoint", "publish"]) -> None:
        """Wait for the worker's permission to write; it may take as long as the worker cannot reach the broker.

        Raises:
            NotPermittedError: refused.
            JobCancelledError: the worker said to stop instead.
        """
        self.check()
        self._asked += 1
        self.send(Permit(number=self._asked, action=action))
        while True:
            match self._heard.get():
                case Permission(number=number, granted=granted) if number == self._asked:
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
                    self._heard.put(message)
        except JobEventError as error:
            print(error, file=sys.stderr)
        finally:
            die()
