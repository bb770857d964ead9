"""Class names that rich would read as markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.repository.evaluation import read_evaluation
from duet.commands.evaluate import _print
from tests.support.onnx_models import write_onnx_version


def test_class_name_like_markup_is_printed_literally(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_onnx_version(tmp_path, "cnn", 1)
    evaluation = read_evaluation(tmp_path)
    scores = evaluation.scores["fp32"]
    rows = tuple(row.model_copy(update={"label": f"[/{row.label}]"}) for row in scores.per_class)
    changed = evaluation.model_copy(update={"scores": {"fp32": scores.model_copy(update={"per_class": rows})}})
    _print("cnn@1", changed, "fp32")
    printed = capsys.readouterr().out
    assert all(row.label in printed for row in rows)
