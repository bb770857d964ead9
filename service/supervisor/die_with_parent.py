"""Launcher script that executes a program which ends with its parent process and holds a lock.

It runs as a script in a new interpreter, because almost no Python code may run between fork and exec in a process with
threads.

    python -I -S die_with_parent.py PARENT SIGNAL NICENESS LOCK PROGRAM ARGUMENT...
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int, orphaned: int) -> None:
    """Request the signal `orphaned` for the end of the thread that started this process; exit if `parent` has ended."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, orphaned, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before prctl
        sys.exit(1)


def main() -> None:
    """Set the parent-death signal, niceness and lock, then execute the program."""
    parent, orphaned, niceness, lock, *command = sys.argv[1:]
    die_with(int(parent), int(orphaned))
    os.nice(int(niceness))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec inherits that
        signal.signal(ignored, signal.SIG_DFL)
    if lock:
        import fcntl

        held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(held, True)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        os.execvp(command[0], command)  # noqa: S606  the supervised program
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
