"""`duet models delete`, `duet models archive` and `duet datasets`."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import pytest

from core.repository.champions import history, promote
from core.repository.repository import ModelRepository
from tests.support.duet_command import Duet
from tests.support.labelled_folders import write_labelled_folder
from tests.support.markdown import ROOT, blocks
from tests.support.versions import write_version

WHY = ("--reason", "wrong labels")


@pytest.fixture
def repository(home: Path) -> ModelRepository:
    """pets@1 to pets@3, of which pets@2 is champion."""
    for version in (1, 2, 3):
        write_version(home / "models" / "pets" / str(version), "pets", version)
    repository = ModelRepository.open()
    promote(repository, "pets", 2, actor="ada", reason="first")
    return repository


def answer_with(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Make standard input a terminal on which the user types `line`."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(line))


def test_delete_asks_and_describes_the_version(
    duet: Duet, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, "n\n")
    assert duet("models", "delete", "pets@3", *WHY) == 1
    said = capsys.readouterr()
    accuracy = repository.manifest("pets", 3).metrics.test_accuracy
    assert f"{accuracy:.1%} test accuracy" in said.err
    assert "nothing was changed" in said.err
    assert repository.versions("pets") == [1, 2, 3]
    answer_with(monkeypatch, "y\n")
    assert duet("models", "delete", "pets@3", *WHY) == 0
    assert capsys.readouterr().out.strip() == "deleted pets@3"
    assert repository.versions("pets") == [1, 2]


def test_delete_without_a_terminal_needs_yes(
    duet: Duet, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert duet("models", "delete", "pets@3", *WHY) == 1
    assert "add --yes" in capsys.readouterr().err
    assert duet("models", "delete", "pets@3", *WHY, "--yes", "--json", "--actor", "bob") == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert (entry["action"], entry["from_version"], entry["actor"]) == ("delete", 3, "bob")
    assert history(repository)[-1].reason == "wrong labels"
    assert duet("models", "history") == 0
    assert "deleted 3" in capsys.readouterr().out


@pytest.mark.parametrize("reference", ["pets@2", "pets@champion", "pets"])
def test_champion_is_never_deleted(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str], reference: str
) -> None:
    assert duet("models", "delete", reference, *WHY, "--yes") == 1
    assert "pets@2 is the champion of pets: promote another version first" in capsys.readouterr().err
    assert repository.versions("pets") == [1, 2, 3]


def test_family_is_archived_and_deleted(
    duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("models", "archive", "pets", *WHY, "--yes") == 0
    assert capsys.readouterr().out == "pets is archived; to serve it again: duet models rollback pets --reason WHY\n"
    assert repository.champion("pets") is None
    assert duet("models", "archive", "pets", *WHY) == 1
    assert "pets has no champion" in capsys.readouterr().err
    assert duet("models", "delete", "pets", *WHY, "--yes") == 0
    assert capsys.readouterr().out == "deleted pets@1, pets@2, pets@3\n"
    assert repository.families() == []


def test_datasets_are_listed_deleted_and_remembered(
    duet: Duet, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("datasets", "list") == 0
    assert f"no data sets in {home / 'datasets'}" in capsys.readouterr().out
    write_labelled_folder(home, "colours", {"night": 5, "grass": 1})
    assert duet("datasets", "list") == 0
    out = capsys.readouterr().out
    assert out.startswith("folder:colours: 6 images of 2 classes")
    assert "not trainable: class 'grass' has 1 image" in out
    assert duet("datasets", "list", "--json") == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["name"], row["classes"]) == ("colours", {"grass": 1, "night": 5})
    answer_with(monkeypatch, "n\n")
    assert duet("datasets", "delete", "colours", *WHY) == 1
    assert (home / "datasets" / "colours").exists()
    capsys.readouterr()
    assert duet("datasets", "delete", "folder:colours", *WHY, "--yes") == 0
    assert capsys.readouterr().out == "deleted colours: 6 images\n"
    assert not (home / "datasets" / "colours").exists()
    assert duet("datasets", "history", "--json") == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["reason"]) == ("colours", "wrong labels")
    assert duet("datasets", "history") == 0
    assert "colours: 6 images" in capsys.readouterr().out


def test_every_listing_prints_json(duet: Duet, repository: ModelRepository, capsys: pytest.CaptureFixture[str]) -> None:
    listings = ("models list", "models verify", "models history", "datasets list", "datasets history")
    for words in listings:
        assert duet(*words.split(), "--json") == 0
        assert isinstance(json.loads(capsys.readouterr().out), list)
    assert repository.versions("pets") == [1, 2, 3]


def test_documented_commands_run(
    duet: Duet,
    home: Path,
    repository: ModelRepository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_labelled_folder(home, "pets", {"night": 5, "grass": 4})
    [block] = [
        block
        for block in blocks(ROOT / "docs" / "operations.md")
        if block.said.endswith("test_delete_commands.py::test_documented_commands_run")
    ]
    for line in block.text.splitlines():
        answer_with(monkeypatch, "y\n")
        assert duet(*shlex.split(line, comments=True)[1:]) == 0, line
    assert (repository.families(), list((home / "datasets").glob("[!.]*"))) == ([], [])
    assert "deleted pets@1, pets@2" in capsys.readouterr().out
