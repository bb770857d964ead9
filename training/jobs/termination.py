"""Termination of a job process: cancellation by its worker, and exit when the worker dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

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
