"""Results of batch predictions: DUET_HOME/runs/<job>/predictions/<family>@<version>.<format>.

Each table has a summary beside it, which is written after the table. While the job runs, the folder has the journals of
`core.batch.journal`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from core.files.durable import atomic_replace
from core.files.home import RUNS_NAME, named_run
from core.jobs.batch_result import TableSummary
from core.jobs.parameters import TableFormat

RESULTS_NAME = "predictions"
"""Name of the folder in the run folder of the job."""


def results_folder(home: Path, job_id: str) -> Path:
    """Folder of the results of a job; it may not exist."""
    return named_run(home, job_id) / RESULTS_NAME


def table_path(home: Path, job_id: str, model: str, table_format: TableFormat) -> Path:
    """Path of the table of a version; it may not exist."""
    return results_folder(home, job_id) / f"{model}.{table_format}"


def write_summary(table: Path, summary: TableSummary) -> None:
    """Mark a table as complete.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    atomic_replace(_summary_path(table), summary.model_dump_json().encode())


def read_summary(table: Path) -> TableSummary | None:
    """Summary of a complete table; None if the table is not complete."""
    try:
        return TableSummary.model_validate_json(_summary_path(table).read_bytes())
    except FileNotFoundError:
        return None


def stored_bytes(home: Path) -> int:
    """Size of the results of all jobs in bytes, with those that are being written."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(home / RUNS_NAME) as runs:
        for run in runs:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(Path(run.path) / RESULTS_NAME) as files:
                for file in files:
                    with suppress(FileNotFoundError):  # replaced meanwhile
                        total += file.stat(follow_symlinks=False).st_size
    return total


def delete_results(home: Path, job_id: str) -> bool:
    """Delete the tables and journals of a job; returns whether there were any.

    Raises:
        OSError: they cannot be deleted.
    """
    try:
        shutil.rmtree(results_folder(home, job_id))
    except FileNotFoundError:
        return False
    return True


def _summary_path(table: Path) -> Path:
    return table.with_name(f"{table.name}.summary.json")
