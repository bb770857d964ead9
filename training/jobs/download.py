"""Download job: fetches CIFAR-10 into DUET_HOME and reports its progress in bytes."""

from __future__ import annotations

import time
from pathlib import Path

from core.files.home import ensure_home
from core.images.cifar_files import NAME
from core.jobs.events import Progress, Result
from training.data.download import CIFAR10_ARCHIVE, Archive, download_cifar10
from training.jobs.reporter import PAUSE_SECONDS, EventReporter
from training.jobs.worker_channel import WorkerChannel


def download(home: Path, channel: WorkerChannel, *, archive: Archive = CIFAR10_ARCHIVE) -> None:
    """Download CIFAR-10, or report at once that it is there and undamaged.

    Raises:
        DataError, LowDiskError, ConfigurationError: raised by `download_cifar10` and `ensure_home`.
        JobCancelledError: the worker cancelled the job; what has arrived is kept for a retry.
    """
    reporter = EventReporter(channel, epochs=0)
    reporter.stage("download CIFAR-10")
    download_cifar10(ensure_home(home), archive, progress=_ByteReporter(channel).report, note=reporter.note)
    channel.send(Result(result={"data": NAME}))


class _ByteReporter:
    """Sends the bytes that have arrived as progress, at most every `PAUSE_SECONDS`; the last bytes always."""

    def __init__(self, channel: WorkerChannel) -> None:
        self._channel = channel
        self._first: tuple[float, int] | None = None
        self._sent: tuple[float, int] = (0.0, -1)

    def report(self, done: int, total: int) -> None:
        self._channel.check()
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        sent_at, sent = self._sent
        if done == sent or (now - sent_at < PAUSE_SECONDS and done < total):
            return
        self._sent = now, done
        began_at, began = self._first
        # At the mean rate of this attempt.
        left = round((total - done) * (now - began_at) / (done - began), 1) if done > began else None
        progress = {"epoch": 0, "epochs": 0, "step": done, "steps": total}
        self._channel.send(Progress(**progress, loss=None, accuracy=None, seconds_left=left))
