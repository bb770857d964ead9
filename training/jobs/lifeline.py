"""A process that dies with its parent, in whatever way that dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; see prctl(2)."""


def follow_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, where it can; `die` at once if that has happened.

    Elsewhere than on Linux, and for whatever this process itself starts, the end of the pipe from the parent is what
    tells: see `WorkerLine`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        die()


def die() -> NoReturn:
    """End this process, and its group if it leads one, at once: nothing more is written."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(-signal.SIGKILL % 256)
