"""README's table of scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.manifest import MANIFEST_NAME, read_manifest
from core.repository import ModelRepository
from docs.generate.scores import scores
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import write_aliases


@pytest.mark.parametrize(("teacher_seconds", "minutes"), [(960.0, "54.8 min"), (None, "38.8 min")])
def test_the_time_of_a_teacher_s_answers_is_part_of_the_training(
    tmp_path: Path, teacher_seconds: float | None, minutes: str
) -> None:
    folder = tmp_path / "mlp" / "3"
    write_onnx_version(folder, "mlp", 3)
    write_aliases(tmp_path, mlp=3)
    manifest = read_manifest(folder)
    cost = manifest.cost.model_copy(update={"training_seconds": 2330.0, "teacher_seconds": teacher_seconds})
    (folder / MANIFEST_NAME).write_text(manifest.model_copy(update={"cost": cost}).to_json())
    *_, row = scores(ModelRepository(tmp_path / "home", tmp_path)).splitlines()
    assert row.startswith("| `mlp@3` |")
    assert row.split(" | ")[-1] == f"{minutes} |"
