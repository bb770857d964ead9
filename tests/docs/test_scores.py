"""README's table of scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DataError
from core.records.base import read_report
from core.records.robustness import Robustness
from core.repository.manifest import MANIFEST_NAME, read_manifest
from core.repository.repository import ModelRepository
from docs.generate import ROOT
from docs.generate.scores import machine, scores, weaknesses
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import write_aliases


@pytest.mark.parametrize(
    ("teacher_seconds", "start", "minutes"),
    [(960.0, None, "54.8 min"), (None, None, "38.8 min"), (960.0, "mlp@2", "54.8 min after mlp@2")],
)
def test_training_time_includes_soft_labels(
    tmp_path: Path, teacher_seconds: float | None, start: str | None, minutes: str
) -> None:
    folder = tmp_path / "mlp" / "3"
    write_onnx_version(folder, "mlp", 3)
    write_aliases(tmp_path, mlp=3)
    manifest = read_manifest(folder)
    cost = manifest.cost.model_copy(update={"training_seconds": 2330.0, "teacher_seconds": teacher_seconds})
    changed = {"cost": cost, "config": dict(manifest.config) | {"init_from": start}}
    (folder / MANIFEST_NAME).write_text(manifest.model_copy(update=changed).to_json())
    *_, row = scores(ModelRepository(tmp_path / "home", tmp_path)).splitlines()
    assert row.startswith("| `mlp@3` |")
    assert row.split(" | ")[-1] == f"{minutes} |"


def test_machines_are_identified_by_their_runs(tmp_path: Path) -> None:
    for family in ("cnn", "mlp"):
        write_onnx_version(tmp_path / family / "1", family, 1)
    write_aliases(tmp_path, cnn=1, mlp=1)
    repository = ModelRepository(tmp_path / "home", tmp_path)
    manifest = repository.manifest("cnn", 1)
    own = (
        f"{manifest.environment.threads} threads of {manifest.environment.cpu} with torch {manifest.environment.torch}"
    )
    assert machine(repository) == f"Trained on {own}."
    other = manifest.environment.model_copy(update={"cpu": "another processor", "threads": 7, "torch": "2.9"})
    changed = manifest.model_copy(update={"environment": other})
    (tmp_path / "cnn" / "1" / MANIFEST_NAME).write_text(changed.to_json())
    assert machine(ModelRepository(tmp_path / "home", tmp_path)) == (
        f"Trained on 7 threads of another processor with torch 2.9 (`cnn@1`) and {own} (`mlp@1`)."
    )


def test_version_without_record_is_not_called_robust(tmp_path: Path) -> None:
    write_onnx_version(tmp_path / "cnn" / "1", "cnn", 1)
    write_aliases(tmp_path, cnn=1)
    repository = ModelRepository(tmp_path / "home", tmp_path)
    *_, row = scores(repository).splitlines()
    assert row.split(" | ")[4] == "not measured"
    with pytest.raises(
        DataError, match=r"cnn@1 has no record of its robustness .* measure them with `duet evaluate cnn@1"
    ):
        weaknesses(repository)


def test_weakest_corruption_stands_beside_the_accuracy() -> None:
    repository = ModelRepository(ROOT / "nowhere", ROOT / "models")
    rows = scores(repository).splitlines()[2:]
    head, _, *lines = weaknesses(repository).splitlines()
    (lowest,) = (line for line in lines if line.startswith("| accuracy under the corruption with the lowest mean |"))
    for family, version in repository.champions().items():
        record = read_report(ROOT / "models" / "reports" / "robustness" / f"{family}@{version}.json", Robustness)
        means: dict[str, list[float]] = {}
        for each in record.of_kind("noise", "blur", "weather", "digital"):
            means.setdefault(each.name.replace("_", " "), []).append(each.accuracy.value)
        name = min(means, key=lambda name: sum(means[name]))
        text = f"{sum(means[name]) / len(means[name]):.1%} ({name})"
        (row,) = (row for row in rows if row.startswith(f"| `{family}@{version}` |"))
        assert row.split(" | ")[4].endswith(f", {text}")
        column = [cell.strip() for cell in head.split("|")].index(f"`{family}@{version}`")
        assert lowest.split("|")[column].strip() == text
