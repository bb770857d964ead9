"""Reports on data sets: made by a child process of low priority, one at a time, and stored with the data set."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from core.images.labelled_folders import dataset_folder
from core.schemas.dataset_reports import DatasetReportStatus
from core.schemas.datasets import DatasetDetail
from service.datasets.report_process import LOCK_NAME, stored_progress, stored_report
from service.errors.hidden_paths import hide_paths
from service.supervisor.program import Program, describe_end

REPORT_SECONDS = 1800.0
"""Time limit for one report, with the wait for a report on the same data set in another worker."""
RETRY_SECONDS = 30.0
"""Time after which a failed report on an unchanged data set is made again."""
_NICENESS = 5
"""A higher value would starve the report beside a training, which uses all cores."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DatasetReports:
    """Makes reports on demand. Methods may be called from any thread."""

    def __init__(self, home: Path, *, max_pixels: int, max_bytes: int) -> None:
        """`max_pixels` of an image and `max_bytes` of a file are the limits of predictions."""
        self._home = home
        self._limits = (str(max_pixels), str(max_bytes))
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._failed: dict[str, tuple[str, str, float]] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        # The child dies with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reports")

    def status(self, described: DatasetDetail) -> DatasetReportStatus:
        """The report on a data set, or its progress; a missing report is started."""
        name, digest = described.name, described.digest
        folder = dataset_folder(self._home, name)
        report = stored_report(folder, digest)
        if report is not None:
            return DatasetReportStatus(
                state="ready", read=described.images, files=described.images, error=None, report=report
            )
        with self._lock:
            failed, problem, at = self._failed.get(name, ("", "", 0.0))
            if failed == digest and time.monotonic() - at < RETRY_SECONDS:
                return DatasetReportStatus(state="failed", read=0, files=described.images, error=problem, report=None)
            if name not in self._waiting:
                self._waiting.add(name)
                self._thread.submit(self._make, name, digest)
        read = min(stored_progress(folder, digest), described.images)
        return DatasetReportStatus(state="running", read=read, files=described.images, error=None, report=None)

    def close(self) -> None:
        """Stop the running child and the thread."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()
        self._thread.shutdown(cancel_futures=True)

    def _make(self, name: str, digest: str) -> None:
        problem: str | None = "the process cannot be started"
        try:
            with suppress(OSError):
                problem = self._run(name)
        finally:
            with self._lock:
                self._waiting.discard(name)
                self._failed.pop(name, None)
                if problem is not None:
                    self._failed[name] = (digest, hide_paths(problem, DUET_HOME=self._home), time.monotonic())

    def _run(self, name: str) -> str | None:
        """Make a report; returns the problem, None if it is stored."""
        with tempfile.TemporaryDirectory(prefix="duet-report-") as scratch:
            program = Program(
                name="report",
                command=(
                    *(sys.executable, "-P", "-m", "service.datasets.report_process"),
                    *(str(self._home), name, *self._limits),
                ),
                stop_seconds=0,
                environment=_ONE_THREAD,
                output=Path(scratch) / "output",
                lock=dataset_folder(self._home, name) / LOCK_NAME,
                niceness=_NICENESS,
                orphaned=signal.SIGKILL,
            )
            with self._lock:
                if self._closed:
                    return "the service is stopping"
                self._child = child = program.start()
            try:
                status = child.wait(REPORT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                return f"the report took longer than {REPORT_SECONDS:g} s: use `duet explore` on the machine"
            finally:
                with self._lock:
                    self._child = None
            if status == 0:
                return None
            return program.last_output() or f"the process ended with {describe_end(status)}"
