"""Channel between a job process and its worker, cancellation, and exit when the worker dies.

The channel consists of two pipes: events out, permissions and cancellation in.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Literal, NoReturn

from core.errors import JobEventError
from core.jobs.events import Cancel, Permission, Permit, ReportedEvent, read_worker_message, to_line

_PR_SET_PDEATHSIG = 1
"""PR_SET_PDEATHSIG of linux/prctl.h, see prctl(2)."""


class JobCancelledError(BaseException):
    """The worker cancelled the job; its last checkpoint is kept."""


class NotPermittedError(BaseException):
    """The worker has lost the job to another attempt; this one must not write anything."""


def cancel_on_sigterm() -> None:
    """Raise JobCancelledError in the main thread on SIGTERM."""

    def cancel(_number: int, _frame: FrameType | None) -> None:
        raise JobCancelledError

    signal.signal(signal.SIGTERM, cancel)


def follow_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux only); exit if the parent is already dead.

    On other systems, and for child processes, the closed pipe of `WorkerChannel` has the same effect.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        die()


def die() -> NoReturn:
    """Kill this process at once, together with its process group if it is the leader."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(-signal.SIGKILL % 256)


class WorkerChannel:
    """Sends events to the worker and receives its messages in a background thread.

    The process exits at once if the worker closes the channel, because another worker may already resume the job.

    Args:
        events: file descriptor to write to.
        answers: file descriptor to read from.
        observe: called with each event before it is sent.
    """

    def __init__(
        self,
        *,
        events: int,
        answers: int,
        observe: Callable[[ReportedEvent | Permit], None] = lambda _: None,
    ) -> None:
        self._observe = observe
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
        self._observe(event)
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
