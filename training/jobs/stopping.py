"""How a job is made to stop: by an exception in its main thread, which no `except Exception` on the way catches."""

from __future__ import annotations

import signal
from types import FrameType


class JobCancelledError(BaseException):
    """The worker wants the job to stop; its last checkpoint stays."""


class NotPermittedError(BaseException):
    """The worker has lost the job to another attempt: this one must not write anything more."""


def cancel_on_sigterm() -> None:
    """Turn SIGTERM into JobCancelledError, wherever the main thread is."""

    def cancel(_number: int, _frame: FrameType | None) -> None:
        raise JobCancelledError

    signal.signal(signal.SIGTERM, cancel)
