from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import CorruptEvaluationError, UnknownEvaluationError
from core.repository.evaluation import (
    Evaluation,
    EvaluationRecord,
    list_records,
    read_evaluation,
    read_record,
    write_record,
)
from tests.support.versions import champion, shipped_folder

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return read_evaluation(shipped_folder("mlp", champion("mlp")))


def make(evaluation: Evaluation, job: str, *, version: int = 2, hours: int = 0) -> EvaluationRecord:
    return EvaluationRecord(
        job=job,
        family="mlp",
        version=version,
        created_at=AT + timedelta(hours=hours),
        data="cifar10",
        evaluation=evaluation,
        differences=(),
    )


def test_records_are_listed_newest_first_and_by_version(tmp_path: Path, evaluation: Evaluation) -> None:
    old, new = make(evaluation, "bb"), make(evaluation, "aa", hours=1)
    for record in (old, new, make(evaluation, "cc", version=3)):
        write_record(tmp_path, record)
    assert list_records(tmp_path, "mlp", 2) == [new, old]
    assert list_records(tmp_path, "mlp", 4) == []
    assert read_record(tmp_path, "mlp", 2, "bb") == old


def test_record_of_the_same_job_is_replaced(tmp_path: Path, evaluation: Evaluation) -> None:
    write_record(tmp_path, make(evaluation, "aa"))
    again = make(evaluation, "aa", hours=2)
    path = write_record(tmp_path, again)
    assert list_records(tmp_path, "mlp", 2) == [again]
    assert [file.name for file in path.parent.iterdir()] == ["aa.json"]


@pytest.mark.parametrize("job", ["dd", "../aa", "", ".aa", "a/b"])
def test_read_unknown_record_raises(job: str, tmp_path: Path, evaluation: Evaluation) -> None:
    path = write_record(tmp_path, make(evaluation, "aa"))
    (path.parent.parent / "aa.json").write_bytes(path.read_bytes())
    with pytest.raises(UnknownEvaluationError):
        read_record(tmp_path, "mlp", 2, job)


def test_damaged_record_is_named(tmp_path: Path, evaluation: Evaluation) -> None:
    path = write_record(tmp_path, make(evaluation, "aa"))
    path.write_text(path.read_text().replace('"differences"', '"likenesses"'))
    with pytest.raises(CorruptEvaluationError, match=r"aa\.json.*likenesses"):
        list_records(tmp_path, "mlp", 2)
