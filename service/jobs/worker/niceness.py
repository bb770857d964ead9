"""CPU priority of job processes: niceness, autogroup and SCHED_IDLE."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

_TRIES, _PAUSE_SECONDS = 5, 0.1


def lower_priority(leader: int, nice: int, *, idle: bool) -> None:
    """Lower the priority of a process that leads its own session, and of its future children.

    Linux divides the CPU between sessions first (autogroups in sched(7)), with equal weight, and applies niceness only
    within a session. Without a lower autogroup priority, a nice job would get as much CPU as the API. In containers
    autogroups have no effect.

    Args:
        leader: process id of the session leader.
        nice: niceness added to that of this process, 0 to 19.
        idle: use the scheduling policy SCHED_IDLE on Linux.
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
                return  # no autogroups, or no permission
            time.sleep(_PAUSE_SECONDS)  # non-root users may change one autogroup per 0.1 s
        else:
            return
