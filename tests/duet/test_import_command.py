"""`duet models import`: a graph from elsewhere is published, predicts, is gated and is explained by occlusion."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.repository.repository import ModelRepository
from tests.support.duet_command import Duet
from tests.support.foreign_graphs import write_foreign_graph
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import running_app, settings_for

LABELS = ("snow", "grass", "night")


@pytest.fixture
def words(home: Path, tmp_path: Path) -> list[str]:
    """Arguments of an import of a correct graph."""
    write_labelled_folder(home, "colors", {"grass": 40, "night": 40, "snow": 40})
    graph = write_foreign_graph(tmp_path / "colors.onnx", LABELS, mean=0.4, std=0.2)
    (tmp_path / "classes.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    return [
        "models", "import", str(graph), "--family", "colors", "--classes", str(tmp_path / "classes.txt"),
        "--calibrate", "folder:colors", "--mean", "0.4,0.4,0.4", "--std", "0.2,0.2,0.2", "--threads", "1",
    ]  # fmt: skip


@pytest.mark.slow
async def test_imported_graph_is_served_gated_and_explained(
    duet: Duet, home: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet(*words) == 0
    out = capsys.readouterr().out
    assert "published colors@1: 100.00% accuracy on " in out
    repository = ModelRepository.open()
    manifest = repository.verify("colors", 1)
    assert (manifest.architecture, manifest.class_names) == ("imported", ("grass", "night", "snow"))
    assert manifest.parity.argmax_mismatches == 0
    assert (manifest.gradient, manifest.quantization) == (None, None)
    card = (repository.folder("colors", 1) / "README.md").read_text(encoding="utf-8")
    assert "This graph was imported from `colors.onnx` and calibrated on folder:colors" in card
    assert "history.png" not in card
    assert duet(*words) == 0
    assert duet("models", "promote", "colors@1", "--reason", "test") == 0
    capsys.readouterr()
    assert duet("models", "gate", "colors@2") == 1
    assert "colors@2" in capsys.readouterr().out
    async with running_app(settings_for(home)) as app:
        raw = {"content-type": "image/png"}
        answer = await app.client.post("/predict?model=colors", content=picture("night", 999), headers=raw)
        assert answer.json()["predictions"][0]["label"] == "night"
        answer = await app.client.post(
            "/saliency?model=colors&method=occlusion&format=json", content=picture("night", 999), headers=raw
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["maps"][0]["method"] == "occlusion"
        answer = await app.client.get("/saliency?model=colors")
        assert [one["method"] for one in answer.json()["methods"]] == ["occlusion"]
        answer = await app.client.post("/saliency?model=colors", content=picture("night", 999), headers=raw)
        problem = assert_problem(answer, 422, "method-does-not-fit")
        assert problem["available"] == ["occlusion"]
        assert "colors@1 was imported as a graph, which has none" in problem["detail"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--std", "0,1,1", "--std 0,1,1 is not valid: give three positive numbers"),
        ("--mean", "1", "--mean 1 is not valid"),
        ("--family", "Not A Name", "is not a valid family name"),
        ("--classes", "none.txt", "cannot read none.txt"),
        ("--calibrate", "folder:none", "unknown data set 'none'"),
    ],
)
def test_wrong_options_are_refused(
    duet: Duet, home: Path, words: list[str], option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words[words.index(option) + 1] = value
    assert duet(*words) == 1
    assert message in capsys.readouterr().err
    assert not (home / "models").exists()


def test_other_classes_are_refused(
    duet: Duet, home: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classes.txt").write_text("snow\ngrass\nday\n", encoding="utf-8")
    assert duet(*words) == 1
    assert "missing night, unknown day, 3 names for 3 classes" in capsys.readouterr().err
    assert not (home / "models").exists()
