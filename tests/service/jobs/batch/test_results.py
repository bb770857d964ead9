from __future__ import annotations

from pathlib import Path

from core.jobs.batch_result import TableSummary
from service.jobs.batch.results import (
    delete_results,
    read_summary,
    results_folder,
    stored_bytes,
    table_path,
    write_summary,
)

JOB, OTHER = "0" * 32, "1" * 32


def test_tables_and_journals_of_all_jobs_count(tmp_path: Path) -> None:
    assert stored_bytes(tmp_path) == 0
    for job, name, size in ((JOB, "cnn@1.csv", 100), (JOB, "cnn@2.csv.partial", 20), (OTHER, "cnn@1.jsonl", 3)):
        folder = results_folder(tmp_path, job)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    (tmp_path / "runs" / JOB / "checkpoint.pt").write_bytes(b"x" * 1000)
    (tmp_path / "runs" / "cnn-seed0").mkdir()
    (tmp_path / "runs" / "file").touch()
    assert stored_bytes(tmp_path) == 123
    assert delete_results(tmp_path, JOB)
    assert not delete_results(tmp_path, JOB)
    assert stored_bytes(tmp_path) == 3
    assert (tmp_path / "runs" / JOB / "checkpoint.pt").exists()


def test_summary_marks_a_complete_table(tmp_path: Path) -> None:
    table = table_path(tmp_path, JOB, "cnn@1", "csv")
    table.parent.mkdir(parents=True)
    table.touch()
    assert read_summary(table) is None
    summary = TableSummary(model="cnn@1", precision="fp32", predicted=2, unreadable=1, bytes=0)
    write_summary(table, summary)
    assert read_summary(table) == summary
