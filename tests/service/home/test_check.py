"""Checks of a home: each kind of damage is found and says what to do; an intact home has no fault."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock

from core.files.home_lock import RESTORING_NAME
from core.repository.repository import ModelRepository
from service.home.check import Finding, check_home
from service.security.key_store import add_key
from service.traffic.segments import FRAME_BYTES, erase, read_frames
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.traffic import captured, write_segment
from tests.support.versions import go_to, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 is shipped, cnn@2 to cnn@4 and mlp@1 are at home, cnn@3 is champion; a data set, traffic and a broker."""
    repository = make_repository(tmp_path)
    go_to(repository, 2, 3)
    home = repository.home_models.parent
    write_labelled_folder(home, "pets", {"cat": 2, "dog": 1})
    content = picture("cat", 7)
    (home / "datasets" / "pets" / "cat" / f"{sha256(content).hexdigest()}.png").write_bytes(content)
    write_segment(home, [captured("one"), captured("two"), captured("three")])
    (home / "api_key").write_text("k" * 43, encoding="ascii")
    (home / "api_key").chmod(0o600)
    broker = home / "broker" / "appendonlydir"
    broker.mkdir(parents=True)
    (broker / "appendonly.aof.manifest").write_text("file a.base.rdb seq 1 type b\n", encoding="utf-8")
    (broker / "a.base.rdb").touch()
    return repository


@pytest.fixture
def home(repository: ModelRepository) -> Path:
    return repository.home_models.parent


def only(repository: ModelRepository) -> Finding:
    """The one finding."""
    [found] = check_home(repository)
    return found


def test_intact_home_has_no_findings(repository: ModelRepository, home: Path) -> None:
    [path] = (home / "traffic" / "segments").iterdir()
    [first, *_] = read_frames(path)
    erase(path, [first])  # deleted records are no damage
    (home / "traffic" / "labels").mkdir()
    (home / "traffic" / "labels" / "a.jsonl").write_bytes(b'{"kind": "label"}\n     \n{"cut o')
    assert list(check_home(repository)) == []


def test_home_without_anything_has_no_findings(tmp_path: Path) -> None:
    assert list(check_home(ModelRepository(tmp_path / "models", tmp_path / "none"))) == []


def test_damaged_version_is_found(repository: ModelRepository, home: Path) -> None:
    (home / "models" / "cnn" / "2" / "model.onnx").write_bytes(b"other")
    found = only(repository)
    assert (found.where, found.is_fault) == ("cnn@2", True)
    assert found.problem.startswith("model.onnx: 5 bytes instead of")
    assert found.advice == "restore it from a backup, or run `duet models delete cnn@2`"


def test_unlisted_file_of_a_version_is_found(repository: ModelRepository, home: Path) -> None:
    (home / "models" / "cnn" / "2" / "notes.txt").touch()
    assert only(repository).problem == "notes.txt is not in the manifest"


def test_missing_champion_is_found(repository: ModelRepository, home: Path) -> None:
    (home / "models" / "cnn" / "3").rename(home / "models" / "elsewhere")
    found = only(repository)
    assert (found.where, found.problem) == ("cnn@3", "the champion does not exist")
    assert "`duet models promote` with another version of cnn" in found.advice


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("aliases.json", b"{", "is not an alias file"),
        ("promotions.jsonl", b"", "lacks entry 1 of 2"),
    ],
)
def test_damaged_alias_files_are_found(
    repository: ModelRepository, home: Path, name: str, content: bytes, problem: str
) -> None:
    (home / "models" / name).write_bytes(content)
    assert problem in next(found for found in check_home(repository) if "aliases" in found.where).problem


def test_damaged_images_are_found(repository: ModelRepository, home: Path) -> None:
    [named] = (home / "datasets" / "pets" / "cat").glob("*.png")
    named.write_bytes(b"other")
    (home / "datasets" / "pets" / "dog" / "0000").write_bytes(b"")
    found = {each.where: each.problem for each in check_home(repository)}
    assert found == {
        f"datasets/pets/cat/{named.name}": "the image differs from the uploaded one",
        "datasets/pets/dog/0000": "the file is empty",
    }


def test_damaged_segments_are_found(repository: ModelRepository, home: Path) -> None:
    [path] = (home / "traffic" / "segments").iterdir()
    [first, second, third] = read_frames(path)
    with path.open("r+b") as stream:
        stream.seek(second.offset + FRAME_BYTES + 20)
        stream.write(b"\xff\xff\xff\xff")
    assert only(repository).problem == "number of damaged records: 1"
    with path.open("r+b") as stream:
        stream.seek(third.offset)
        stream.write(b"\0\0\0\0")
    assert only(repository).problem == f"it cannot be read from byte {third.offset:,} on"
    with path.open("r+b") as stream:
        stream.truncate(first.end + 100)  # as after a kill
    assert list(check_home(repository)) == []


def test_damaged_documents_are_found(repository: ModelRepository, home: Path) -> None:
    (home / "runs" / "one").mkdir(parents=True)
    (home / "runs" / "one" / "run.json").write_bytes(b"{")
    (home / "runs" / "one" / "history.jsonl").write_bytes(b'{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    assert [(found.where, found.problem) for found in check_home(repository)] == [
        ("runs/one/history.jsonl", "is not valid JSON, first in line 2"),
        ("runs/one/run.json", "is not valid JSON"),
    ]


@pytest.mark.parametrize("name", ["api_key", "session_secret"])
def test_secret_that_others_can_read_is_found(repository: ModelRepository, home: Path, name: str) -> None:
    (home / name).write_text("k" * 43, encoding="ascii")
    (home / name).chmod(0o644)
    found = only(repository)
    assert (found.where, found.advice) == (name, f"run `chmod 600 {home / name}`")


@pytest.mark.parametrize(("content", "said"), [(b"{", "EOF"), (b'{"version": 2}', "version")])
def test_malformed_key_file_is_found(repository: ModelRepository, home: Path, content: bytes, said: str) -> None:
    add_key(home, "ci", "jobs")
    assert list(check_home(repository)) == []
    (home / "keys.json").write_bytes(content)
    found = only(repository)
    assert found.where == "keys.json"
    assert said in found.problem


def test_missing_files_of_the_broker_are_found(repository: ModelRepository, home: Path) -> None:
    folder = home / "broker" / "appendonlydir"
    (folder / "a.base.rdb").rename(folder / "b.base.rdb")
    assert only(repository).where == "broker/appendonlydir/a.base.rdb"
    (folder / "appendonly.aof.manifest").write_text("nonsense\n", encoding="utf-8")
    assert "has an unknown line" in only(repository).problem
    (folder / "appendonly.aof.manifest").unlink()
    assert only(repository).problem == "is missing"


def test_interrupted_restore_is_found(repository: ModelRepository, home: Path) -> None:
    (home / RESTORING_NAME).mkdir()
    assert "was interrupted: remove everything" in only(repository).problem


def test_leftovers_are_found_unless_their_process_runs(repository: ModelRepository, home: Path) -> None:
    staging = home / "models" / "cnn" / ".staging"
    upload = home / "datasets" / ".uploads" / "a1"
    for folder in (staging / "5", staging / "6", upload, home / "models" / "cnn" / ".removed-1"):
        folder.mkdir(parents=True)
    for name in ("old", "new"):
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / ".checkpoint.pt.7.tmp").touch()
    long_ago = 1_700_000_000
    os.utime(home / "runs" / "old" / ".checkpoint.pt.7.tmp", (long_ago, long_ago))
    os.utime(home / "models" / "cnn" / ".removed-1", (long_ago, long_ago))
    with FileLock(staging / "6.lock"):
        found = list(check_home(repository))
    assert [each.where for each in found] == [
        "datasets/.uploads/a1",
        "models/cnn/.removed-1",
        "models/cnn/.staging/5",
        "runs/old/.checkpoint.pt.7.tmp",
    ]
    assert not any(each.is_fault for each in found)
