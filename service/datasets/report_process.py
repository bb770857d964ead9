"""Child process that makes the report on a data set.

    python -P -m service.datasets.report_process HOME NAME MAX_PIXELS MAX_BYTES

The report and the progress are files in the folder of the data set; their names are hidden, so that listings ignore
them. A separate process keeps the work from delaying predictions, and can be stopped.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from core.errors import DuetError
from core.files.durable import atomic_replace
from core.images.labelled_folders import read_folder
from core.schemas.dataset_reports import DatasetReport
from service.datasets.report import make_report

REPORT_NAME = ".report.json"
PROGRESS_NAME = ".report-progress"
LOCK_NAME = ".report.lock"
_PROGRESS_SECONDS = 0.25


def stored_report(folder: Path, digest: str) -> DatasetReport | None:
    """The stored report on this version of the data set; None if there is none."""
    try:
        report = DatasetReport.model_validate_json((folder / REPORT_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return report if report.digest == digest else None


def stored_progress(folder: Path, digest: str) -> int:
    """Number of files that the running child has read of this version of the data set; 0 if unknown."""
    try:
        content = json.loads((folder / PROGRESS_NAME).read_bytes())
        return int(content["read"]) if content["digest"] == digest else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def write_report(home: Path, name: str, *, max_pixels: int, max_bytes: int) -> None:
    """Make the report on a data set and store it, unless it is stored already.

    Raises:
        DuetError: the data set cannot be read.
        OSError: the folder cannot be written.
    """
    folder = read_folder(home, name)
    if stored_report(folder.path, folder.digest) is not None:
        return
    progress, last = folder.path / PROGRESS_NAME, time.monotonic()

    def note(read: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_SECONDS:
            last = time.monotonic()
            progress.write_text(json.dumps({"digest": folder.digest, "read": read}), encoding="utf-8")

    try:
        report = make_report(folder, max_pixels=max_pixels, max_bytes=max_bytes, progress=note)
        atomic_replace(folder.path / REPORT_NAME, report.model_dump_json().encode())
    finally:
        progress.unlink(missing_ok=True)


def main() -> None:
    """Run with the arguments of the command line; an error is the last line of standard error."""
    home, name, max_pixels, max_bytes = sys.argv[1:]
    try:
        write_report(Path(home), name, max_pixels=int(max_pixels), max_bytes=int(max_bytes))
    except DuetError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"the report cannot be stored in the folder of the data set: {error.strerror}")


if __name__ == "__main__":
    main()
