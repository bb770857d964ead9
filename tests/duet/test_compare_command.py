from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.comparison.schemas import MetricsComparison
from core.repository.manifest import MANIFEST_NAME
from core.repository.repository import ModelRepository
from tests.support.comparisons import write_latency, write_robustness
from tests.support.duet_command import Duet
from tests.support.onnx_models import write_onnx_version
from tests.support.service import set_champions
from tests.support.versions import write_version


@pytest.fixture
def repository(home: Path) -> ModelRepository:
    """cnn@1, which has five of six images right, and mlp@1, which has one; both champions."""
    repository = ModelRepository.open()
    write_onnx_version(repository.home_models / "cnn" / "1", "cnn", 1)
    write_onnx_version(repository.home_models / "mlp" / "1", "mlp", 1, test_answers=(0,) * 6)
    set_champions(repository.home_models, cnn=1, mlp=1)
    return repository


def test_compare_prints_the_verdict_then_the_figures(
    duet: Duet, repository: ModelRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = repository.manifest("cnn", 1)
    write_robustness(tmp_path / "home" / "reports", manifest, clean=0.9)
    write_robustness(tmp_path / "shipped" / "reports", repository.manifest("mlp", 1), clean=0.5)
    write_latency(tmp_path / "home" / "reports", manifest, ms=2.5)
    assert duet("models", "compare", "cnn", "mlp@1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "cnn@1 and mlp@1 do not differ significantly in accuracy on the same 6 test images of grays: 83.33"
    )

    def row(name: str) -> str:
        return " ".join(next(line for line in lines if line.strip().startswith(name)).split())

    assert row("accuracy ").startswith(
        "accuracy on 6 test images 83.33% (73.33% to 93.33%) 16.67% (6.67% to 26.67%) +66.67 ("
    )
    assert row("light").startswith("light 2 50.0% 0.0% +50.00 (")
    assert row("clean") == "clean 90.0% 50.0%"
    assert row("rotation").startswith("rotation 45.0% 25.0% +20.00 (")
    assert row("one image, one thread") == "one image, one thread 2.50 ms not measured"


def test_compare_does_not_break_figures_at_80_columns(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = []
    for columns in ("200", "80"):
        monkeypatch.setenv("COLUMNS", columns)
        assert duet("models", "compare", "cnn", "mlp@1") == 0
        printed.append(capsys.readouterr().out)
    wide, narrow = printed
    assert max(map(len, narrow.splitlines())) <= 80
    interval = re.compile(r"\([-+.\d%]+ to [-+.\d%]+\)")
    assert len(interval.findall(wide)) > 15
    assert sorted(interval.findall(narrow)) == sorted(interval.findall(wide))


def test_compare_prints_the_time_of_the_teacher(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = repository.manifest("mlp", 1)
    cost = manifest.cost.model_copy(update={"epochs": 3, "training_seconds": 90.0, "teacher_seconds": 150.0})
    changed = manifest.model_copy(update={"cost": cost})
    (repository.home_models / "mlp" / "1" / MANIFEST_NAME).write_text(changed.to_json())
    assert duet("models", "compare", "mlp", "cnn") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("training"))
    assert "3 epochs, 1.5 min, teacher 2.5 min" in line
    assert line.count("teacher") == 1


def test_compare_as_json_is_the_api_response(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("models", "compare", "mlp", "cnn", "--json") == 0
    comparison = MetricsComparison.model_validate_json(capsys.readouterr().out)
    assert (comparison.paired.only_first_right, comparison.paired.only_second_right) == (0, 4)
    assert [note.partition(":")[0] for note in comparison.notes] == [
        "the robustness of mlp@1 is not measured yet",
        "the robustness of cnn@1 is not measured yet",
    ]


def test_compare_of_incomparable_versions_fails(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    write_version(repository.home_models / "cnn" / "2", "cnn", 2)
    write_onnx_version(repository.home_models / "cnn" / "3", "cnn", 3, data_digest="e" * 64)
    for second, said in (
        ("cnn@2", "cnn@2 has no evaluation.json"),
        ("cnn@3", "e" * 64),
        ("cnn@9", "unknown version 9"),
    ):
        assert duet("models", "compare", "cnn@1", second) == 1
        assert said in capsys.readouterr().err
