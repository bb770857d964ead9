from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.gate import costs
from core.repository.repository import ModelRepository
from tests.support.duet_command import duet_command
from tests.support.holdouts import write_judged_version
from tests.support.versions import CREATED_AT, write_aliases, write_version


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Duet = Callable[..., Outcome]


@pytest.fixture
def repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    """cnn 1 and mlp 1 shipped as champions, cnn 2 at home; the command line finds them."""
    monkeypatch.setenv("LOGNAME", "ada")
    repository = ModelRepository.open()
    write_version(repository.shipped / "cnn" / "1", "cnn", 1)
    write_version(repository.shipped / "mlp" / "1", "mlp", 1)
    write_version(repository.home_models / "cnn" / "2", "cnn", 2)
    write_aliases(repository.shipped, cnn=1, mlp=1)
    return repository


@pytest.fixture
def duet(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Duet:
    duet = duet_command(monkeypatch)

    def run(*arguments: str) -> Outcome:
        code = duet(*arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def rows_of(table: str) -> list[list[str]]:
    """The cells of a printed table, its heading and rules left out."""
    return [line.split() for line in table.splitlines() if "@" in line]


def test_list_shows_every_version_and_marks_champions(duet: Duet) -> None:
    outcome = duet("models", "list")
    assert outcome.code == 0
    day = f"{CREATED_AT.astimezone():%Y-%m-%d}"
    assert rows_of(outcome.out) == [
        ["cnn@1", "*", "shipped", day, "90.00%", "10", "579", "34", "B"],
        ["cnn@2", "home", day, "90.00%", "10", "579", "34", "B"],
        ["mlp@1", "*", "shipped", day, "90.00%", "10", "579", "34", "B"],
    ]


def test_list_as_json(duet: Duet) -> None:
    listed = duet("models", "list", "--json").json
    assert [(row["family"], row["version"], row["champion"], row["layer"]) for row in listed] == [
        ("cnn", 1, True, "shipped"),
        ("cnn", 2, False, "home"),
        ("mlp", 1, True, "shipped"),
    ]
    assert listed[0] == {
        "family": "cnn",
        "version": 1,
        "champion": True,
        "layer": "shipped",
        "created_at": CREATED_AT.isoformat(),
        "test_accuracy": 0.9,
        "test_images": 10,
        "parameters": 579,
        "bytes": 34,
        "error": None,
    }


def test_list_fits_a_terminal_of_80_columns(
    duet: Duet, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    manifest = write_version(repository.home_models / "my-pets" / "1", "my-pets", 1)
    cost = manifest.cost.model_copy(update={"parameters": 12_345_678})
    changed = manifest.model_copy(update={"cost": cost})
    (repository.home_models / "my-pets" / "1" / "manifest.json").write_text(changed.to_json())
    listed = duet("models", "list").out
    assert all(len(line) <= 80 for line in listed.splitlines())
    day = f"{CREATED_AT.astimezone():%Y-%m-%d}"
    assert ["my-pets@1", "home", day, "90.00%", "10", "12,345,678", "34", "B"] in rows_of(listed)
    assert ["version", "layer", "created", "accuracy", "images", "parameters", "size"] in [
        line.split() for line in listed.splitlines()
    ]


def test_list_continues_past_a_damaged_manifest(duet: Duet, repository: ModelRepository) -> None:
    (repository.folder("cnn", 1) / "manifest.json").write_text("{")
    outcome = duet("models", "list")
    assert outcome.code == 0
    assert [row[0] for row in rows_of(outcome.out)] == ["cnn@1", "cnn@2", "mlp@1", "cnn@1:"]
    assert "cnn@1: manifest.json: Invalid JSON" in outcome.out
    assert [row["error"] is None for row in duet("models", "list", "--json").json] == [False, True, True]


def test_list_of_no_versions_names_the_folders(duet: Duet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "nowhere"))
    listed = duet("models", "list")
    assert (listed.code, duet("models", "list", "--json").json) == (0, [])
    assert listed.out == (
        f"no model versions found in {tmp_path / 'nowhere'} or {tmp_path / 'none' / 'models'}: set "
        "DUET_SHIPPED_MODELS to the folder `models` of a checkout of Duet, or train a version with `duet train`\n"
    )
    verified = duet("models", "verify")
    assert (verified.code, verified.err) == (1, f"duet: {listed.out}")


def test_show_prints_the_manifest(duet: Duet, repository: ModelRepository) -> None:
    outcome = duet("models", "show", "cnn")
    assert outcome.code == 0
    assert outcome.out.startswith("cnn@1")
    lines = [line.split() for line in outcome.out.splitlines()]
    for expected in (
        ["champion", "yes"],
        ["layer", "shipped"],
        ["class_names", "ant,", "bee,", "cow"],
        ["test_accuracy", "0.9"],
        ["fp32.temperature", "1.25"],
        ["counts.train", "40"],
        ["source_digest", "a" * 64],
    ):
        assert expected in lines
    assert repository.manifest("cnn", 1).files["model.onnx"].sha256[:16] in outcome.out


def test_show_as_json_is_the_manifest(duet: Duet, repository: ModelRepository) -> None:
    assert duet("models", "show", "cnn@2", "--json").out == repository.manifest("cnn", 2).to_json()


def test_verify_names_each_bad_file_and_continues(duet: Duet, repository: ModelRepository) -> None:
    (repository.folder("cnn", 1) / "model.onnx").write_bytes(b"not a grapH")
    (repository.folder("cnn", 1) / "README.md").unlink()
    (repository.folder("cnn", 2) / "model.onnx").write_bytes(b"short")
    outcome = duet("models", "verify")
    assert outcome.code == 1
    first, second = outcome.err.splitlines()
    assert first.startswith("FAILED cnn@1: README.md: missing; model.onnx: sha256 is ")
    assert second == "FAILED cnn@2: model.onnx: 5 bytes instead of 11"
    assert outcome.out == "ok     mlp@1: 2 files as recorded\n"

    as_json = duet("models", "verify", "--json")
    assert as_json.code == 1
    assert [(row["reference"], row["error"] is None) for row in as_json.json] == [
        ("cnn@1", False),
        ("cnn@2", False),
        ("mlp@1", True),
    ]
    assert duet("models", "verify", "mlp").code == 0


def test_verify_continues_past_unknown_references(duet: Duet) -> None:
    outcome = duet("models", "verify", "dog", "cnn@9", "cnn")
    assert outcome.code == 1
    assert outcome.out == "ok     cnn@1: 2 files as recorded\n"
    assert outcome.err.splitlines() == [
        "FAILED unknown model 'dog': available models are cnn, mlp",
        "FAILED unknown version 9 of cnn: available versions are 1, 2",
    ]


def test_verify_finds_a_champion_that_does_not_exist(duet: Duet, repository: ModelRepository) -> None:
    write_aliases(repository.home_models, cnn=9)
    outcome = duet("models", "verify")
    assert (outcome.code, outcome.err) == (1, "FAILED unknown version 9 of cnn: available versions are 1, 2\n")
    assert len(outcome.out.splitlines()) == 3


@pytest.fixture
def measured(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    """cnn 1 is 75 % right on the holdout, cnn 2 is better, and cnn 3 is not."""
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)
    write_judged_version(repository.shipped, 1, wrong=10)
    write_judged_version(repository.home_models, 2, wrong=2)
    write_judged_version(repository.home_models, 3, wrong=11)
    return repository


def test_promote_and_rollback_are_in_the_history(duet: Duet, measured: ModelRepository) -> None:
    promoted = duet("models", "promote", "cnn@2", "--reason", "scores [better]")
    assert promoted.code == 0
    first, *_, last = promoted.out.splitlines()
    assert first == "cnn@2 may replace cnn@1: it is significantly more accurate, and nothing else became worse"
    assert last == "champion of cnn: 1 -> 2 (scores [better])"
    assert measured.champion("cnn") == 2

    again = duet("models", "promote", "cnn@2", "--reason", "again")
    assert (again.code, again.out) == (
        0,
        "cnn@2 is already the champion\ncnn@2 is already the champion: nothing changed\n",
    )

    rolled = duet("models", "rollback", "cnn", "--reason", "worse", "--actor", "bob", "--json")
    assert rolled.code == 0
    assert (rolled.json["entry"], rolled.json["from_version"], rolled.json["to_version"]) == (2, 2, 1)
    assert measured.champion("cnn") == 1

    told = duet("models", "history", "--json").json
    assert [(row["action"], row["actor"], row["reason"]) for row in told] == [
        ("promote", "ada", "scores [better]"),
        ("rollback", "bob", "worse"),
    ]
    table = duet("models", "history", "cnn").out
    first_line, second_line = [line.split() for line in table.splitlines() if "->" in line]
    assert [first_line[0], *first_line[3:]] == ["1", "cnn", "promote", "1", "->", "2", "ada", "scores", "[better]"]
    assert [second_line[0], *second_line[3:]] == ["2", "cnn", "rollback", "2", "->", "1", "bob", "worse"]
    assert duet("models", "history", "mlp").out == "no promotions or rollbacks yet\n"


def test_gate_refusal_is_explained(duet: Duet, measured: ModelRepository) -> None:
    for arguments, code in ((("gate", "cnn@2"), 0), (("gate", "cnn@3"), 1), (("promote", "cnn@3", "--reason", "r"), 1)):
        outcome = duet("models", *arguments)
        assert outcome.code == code
        lines = [line.split() for line in outcome.out.splitlines()]
        gain = next(line for line in lines if line[:1] == ["gain"])
        assert gain[1] == ("yes" if code == 0 else "no")
        black = next(line for line in lines if line[:1] == ["black"])
        assert black[1:4] == ["40", "95.0%" if code == 0 else "72.5%", "75.0%"]
    assert outcome.err == "duet: cnn@3 was not promoted: --force promotes it despite the gate\n"
    assert measured.champion("cnn") == 1
    assert duet("models", "history").out == "no promotions or rollbacks yet\n"


def test_promote_with_force_overrides_the_gate(duet: Duet, measured: ModelRepository) -> None:
    outcome = duet("models", "promote", "cnn@3", "--reason", "for the demo", "--force", "--json")
    assert outcome.code == 0
    assert outcome.json["gate"]["passed"] is False
    assert outcome.json["promotion"]["evidence"]["forced"] is True
    assert measured.champion("cnn") == 3
    history = duet("models", "history", "cnn").out.split()
    assert history[history.index("promote") + 1] == "(forced)"


def test_gate_of_a_first_version_prints_the_floor(duet: Duet, measured: ModelRepository) -> None:
    write_judged_version(measured.home_models, 1, wrong=32, family="own")
    outcome = duet("models", "gate", "own@1")
    assert outcome.code == 1
    assert outcome.out.startswith(
        "own@1 may not be promoted, although own has no champion: 20.00% of 200 holdout images"
    )
    checks = [line.split() for line in outcome.out.splitlines()]
    assert ["accuracy", "floor", "no"] in [words[:3] for words in checks]
    assert ["class", "images"] not in [words[:2] for words in checks]
    assert duet("models", "promote", "own@1", "--reason", "only one", "--force").code == 0
    assert measured.champion("own") == 1


def test_gate_as_json_uses_thresholds_of_the_environment(
    duet: Duet, measured: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert duet("models", "gate", "cnn@2", "--json").json["ground"] == "significant_gain"
    monkeypatch.setenv("DUET_GATE", '{"significance": 1e-12}')
    refused = duet("models", "gate", "cnn@2", "--json")
    assert (refused.code, refused.json["ground"]) == (1, "not_better")
    monkeypatch.setenv("DUET_GATE", '{"significanse": 0.1}')
    outcome = duet("models", "gate", "cnn@2")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("duet: DUET_GATE: ")


def test_promote_without_predictions_fails(duet: Duet, repository: ModelRepository) -> None:
    outcome = duet("models", "promote", "cnn@2", "--reason", "r")
    assert outcome.code == 1
    assert outcome.out == (
        "cnn@2 cannot be compared with cnn@1: cnn@2 has no predictions.npz: publish it again with `duet export`\n"
    )
    assert repository.champion("cnn") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "dog"), "duet: unknown model 'dog': available models are cnn, mlp\n"),
        (("show", "cnn@7"), "duet: unknown version 7 of cnn: available versions are 1, 2\n"),
        (("rollback", "cnn", "--reason", "r"), "duet: cnn has no earlier champion to return to\n"),
        (("history", "dog"), "duet: unknown model 'dog': available models are cnn, mlp\n"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(duet: Duet, arguments: tuple[str, ...], message: str) -> None:
    assert duet("models", *arguments) == Outcome(1, "", message)


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "promote", "cnn@2"),
        ("models", "gate"),
        ("models", "rollback", "--reason", "r"),
        ("models", "lst"),
        ("nonsense",),
    ],
)
def test_usage_errors_are_exit_code_2(duet: Duet, arguments: tuple[str, ...]) -> None:
    outcome = duet(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: " in outcome.err


def test_module_runs_as_a_program(repository: ModelRepository) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "duet", "models", "show", "dog"], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == "duet: unknown model 'dog': available models are cnn, mlp\n"
