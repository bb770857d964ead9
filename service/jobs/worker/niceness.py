"""How a job's processes are made to give way to others."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

_TRIES, _PAUSE_SECONDS = 5, 0.1


def give_way(leader: int, nice: int, *, idle: bool) -> None:
    """Lower the priority of a process that was just started in a session of its own, and of all that it will start.

    Linux first shares the processor between sessions (autogroups in sched(7)), each as important as any other, and
    minds niceness only within one: without a word about the session, the nicest of jobs would take as much as the API.
    In containers sessions make no difference, and what is said of them none either.

    Args:
        leader: of the session.
        nice: how much nicer than this process it is to be, 0 to 19.
        idle: whether what wakes up runs at once in its place (SCHED_IDLE), on Linux.
    """
    if nice > 0:
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice)
        os.setpriority(os.PRIO_PGRP, leader, niceness)
        _lower_session(leader, niceness)
    if idle and sys.platform == "linux":
        os.sched_setscheduler(leader, os.SCHED_IDLE, os.sched_param(0))


def _lower_session(leader: int, niceness: int) -> None:
    session = Path(f"/proc/{leader}/autogroup")
    for _ in range(_TRIES):
        try:
            session.write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return  # the system has none, or does not let them be changed
            time.sleep(_PAUSE_SECONDS)  # but for root, one change in a tenth of a second is allowed, of all sessions
        else:
            return
