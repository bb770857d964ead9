"""`duet models push`, `duet models pull` and `duet models export-hub`."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.repository.repository import ModelRepository
from tests.support.buckets import Bucket, bucket_server, use
from tests.support.duet_command import Duet
from tests.support.markdown import ROOT, blocks
from tests.support.versions import shipped_folder


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket_server() as started:
        use(started, monkeypatch)
        yield started


@pytest.fixture
def repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    """The version cnn@5 that ships, in the home."""
    with monkeypatch.context() as patched:
        patched.delenv("DUET_SHIPPED_MODELS")
        shutil.copytree(shipped_folder("cnn", 5), home / "models" / "cnn" / "5")
    return ModelRepository.open()


def test_documented_transfer_runs(
    duet: Duet,
    repository: ModelRepository,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = [
        each for each in blocks(ROOT / "docs" / "deployment.md") if each.said.endswith("test_documented_transfer_runs")
    ]
    push, listing, pull, export = block.text.splitlines()

    def run(line: str) -> str:
        assert duet(*shlex.split(line, comments=True)[1:]) == 0, line
        return capsys.readouterr().out

    assert "pushed cnn@5 to s3://duet-models/team: " in run(push)
    assert "already: nothing was sent" in run(push)
    assert run(listing) == "cnn@5\n"
    assert "cnn@5 is here already" in run(pull)
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "other"))
    out = run(pull)
    assert "pulled cnn@5 from s3://duet-models/team" in out
    assert "not served yet: duet models promote cnn@5 --reason WHY" in out
    assert ModelRepository.open().verify("cnn", 5) == repository.manifest("cnn", 5)
    assert "exported cnn@5 to duet-cnn" in run(export)
    assert (tmp_path / "duet-cnn" / "onnx" / "model.onnx").is_file()


def test_vanished_bucket_is_one_line_on_stderr(
    duet: Duet, repository: ModelRepository, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.delete()
    assert duet("models", "push", "cnn@5", bucket.url) == 1
    err = capsys.readouterr().err.strip()
    assert err.endswith("the bucket does not exist")
    assert err.startswith("duet: s3://duet-models/")
    assert len(err.splitlines()) == 1


def test_empty_source_lists_nothing(duet: Duet, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shelf").mkdir()
    assert duet("models", "pull", str(tmp_path / "shelf")) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "has no versions" in captured.err


@pytest.mark.parametrize("reference", ["cnn", "cnn@champion", "cnn@0", "../x@1", "CNN@1"])
def test_pull_needs_an_exact_version(
    duet: Duet, home: Path, tmp_path: Path, reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("models", "pull", str(tmp_path), reference) == 1
    assert "is not a version: write FAMILY@NUMBER" in capsys.readouterr().err


def test_commands_without_obstore_name_the_extra(
    duet: Duet,
    repository: ModelRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert duet("models", "push", "cnn@5", str(tmp_path / "shelf")) == 1
    assert "pip install -e '.[remote]'" in capsys.readouterr().err
    assert not (tmp_path / "shelf").exists()
