"""Download job: fetches CIFAR-10 into DUET_HOME and reports its progress in bytes."""

from __future__ import annotations

from pathlib import Path

from core.files.home import ensure_home
from core.images.cifar_files import NAME
from core.jobs.count_reporter import CountReporter
from core.jobs.events import Result
from core.jobs.worker_channel import WorkerChannel
from training.data.download import CIFAR10_ARCHIVE, Archive, download_cifar10
from training.jobs.reporter import EventReporter


def download(home: Path, channel: WorkerChannel, *, archive: Archive = CIFAR10_ARCHIVE) -> None:
    """Download CIFAR-10, or report at once that it is there and undamaged.

    Raises:
        DataError, LowDiskError, ConfigurationError: raised by `download_cifar10` and `ensure_home`.
        JobCancelledError: the worker cancelled the job; what has arrived is kept for a retry.
    """
    reporter = EventReporter(channel, epochs=0)
    reporter.stage("download CIFAR-10")
    download_cifar10(ensure_home(home), archive, progress=CountReporter(channel).report, note=reporter.note)
    channel.send(Result(result={"data": NAME}))
