"""Becomes another program, which then dies with its parent and holds a lock.

Run as a script, by its path, in an interpreter that has loaded nothing yet: between the fork of a process with threads
and the start of another program, next to no Python code may run, so these steps cannot be taken there.

    python -I -S leash.py PARENT SIGNAL NICENESS LOCK PROGRAM ARGUMENT...
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Take the steps, then become the program."""
    parent, orphaned, niceness, lock, *command = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(orphaned), 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the line above
        sys.exit(1)
    os.nice(int(niceness))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by this interpreter, and so by what it becomes
        signal.signal(ignored, signal.SIG_DFL)
    if lock:
        import fcntl

        held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(held, True)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        os.execvp(command[0], command)  # noqa: S606  what the supervisor was given to run
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
