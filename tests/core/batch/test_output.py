"""Output formats of predictions."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from core.batch.output import check_output, check_parquet, write_output
from core.batch.rows import COLUMNS, Row
from core.errors import ConfigurationError

ROWS = [
    Row(
        file='a, "b"\nü.png', label="Großer Hund", probability=0.75, prediction_set=("Großer Hund", "a|b"),
        out_of_distribution=False,
    ),
    Row(file="c.txt", error="not an image: send a PNG"),
]  # fmt: skip


def test_csv_has_a_row_for_each_file(tmp_path: Path) -> None:
    path = tmp_path / "out.CSV"
    check_output(path)
    write_output(path, ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["file"], first["label"], first["probability"]) == ('a, "b"\nü.png', "Großer Hund", "0.75")
    assert json.loads(first["prediction_set"]) == ["Großer Hund", "a|b"]
    assert (first["out_of_distribution"], first["error"]) == ("false", "")
    assert second == dict.fromkeys(COLUMNS, "") | {"file": "c.txt", "error": "not an image: send a PNG"}


def test_jsonl_has_a_line_for_each_file(tmp_path: Path) -> None:
    write_output(tmp_path / "out.jsonl", ROWS)
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [Row.model_validate_json(line) for line in lines] == ROWS


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    check_output(tmp_path / "out.parquet")
    write_output(tmp_path / "out.parquet", ROWS)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.to_pylist() == [row.model_dump() | _listed(row) for row in ROWS]
    assert [str(field.type) for field in table.schema][:3] == ["string", "string", "double"]


def _listed(row: Row) -> dict[str, list[str] | None]:
    return {"prediction_set": None if row.prediction_set is None else list(row.prediction_set)}


def test_unknown_format_and_missing_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"let --out end in \.csv, \.jsonl, \.parquet"):
        check_output(tmp_path / "out.xlsx")
    with pytest.raises(ConfigurationError, match="there is no folder"):
        check_output(tmp_path / "none" / "out.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"needs pyarrow: run `pip install pyarrow`, or write \.csv"):
        check_parquet("parquet")
