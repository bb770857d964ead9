"""Files of a home that belong into a backup, and the ends of files that are being appended to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.home.contents import appended_end, list_home
from tests.support.traffic import captured, write_segment

KEPT = (
    "api_key",
    "keys.json",
    "session_secret",
    "models/aliases.json",
    "models/promotions.jsonl",
    "models/cnn/1/manifest.json",
    "datasets/pets/.edits.jsonl",
    "datasets/pets/cache/a.png",
    "datasets/.deletions.jsonl",
    "reports/robustness/cnn@1.json",
    "runs/one/checkpoint.pt",
    "traffic/labels/.erased",
)
LEFT_OUT = (
    ".running",
    ".api_key.7.abc",
    ".session_secret.7.abc",
    "broker/log.txt",
    "broker/serve.lock",
    "cache/teachers/a.npz",
    "datasets/.lock",
    "datasets/.uploads/a1/body",
    "datasets/.removed-a1/cat/a.png",
    "datasets/cifar10/.unpacking-1/data_batch_1",
    "datasets/cifar10/cifar-10-python.tar.gz.part",
    "models/.aliases.lock",
    "models/.aliases.json.123.tmp",
    "models/cnn/.staging/2/weights.safetensors",
    "models/cnn/.removed-3/manifest.json",
    "runs/one/.lock",
    "runs/one/.checkpoint.pt.99.tmp",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in (*KEPT, *LEFT_OUT):
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n")
    return tmp_path / "home"


def test_locks_caches_and_unfinished_work_are_left_out(home: Path) -> None:
    assert list_home(home).files == sorted(KEPT)
    assert list_home(home, without=("datasets", "models")).files == [
        "api_key",
        "keys.json",
        "reports/robustness/cnn@1.json",
        "runs/one/checkpoint.pt",
        "session_secret",
        "traffic/labels/.erased",
    ]
    only = list_home(home, only="models")
    assert only.files == ["models/aliases.json", "models/cnn/1/manifest.json", "models/promotions.jsonl"]
    assert only.folders == ["models", "models/cnn", "models/cnn/1"]
    assert list_home(home, only="absent").files == []


def test_links_are_named_and_not_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    (home / "datasets" / "linked").symlink_to(tmp_path / "elsewhere")
    listing = list_home(home)
    assert listing.links == ["datasets/linked"]
    assert listing.files == sorted(KEPT)


def test_pipe_in_the_home_is_an_error(home: Path) -> None:
    os.mkfifo(home / "runs" / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        list_home(home)


@pytest.mark.parametrize(
    ("name", "content", "end"),
    [
        ("runs/one/history.jsonl", b'{"epoch": 1}\n{"epo', 13),
        ("runs/one/history.jsonl", b"x" * 100_000, 0),
        ("runs/one/history.jsonl", b"a\n" + b"x" * 100_000, 2),
        ("runs/one/predictions/cnn@1.csv.partial", b"a\nb\n", 4),
        ("runs/one/log.txt", b"half a li", 9),
        ("runs/one/checkpoint.pt", b"whole", None),
        ("datasets/pets/labels.jsonl", b"without an end", None),
        ("models/cnn/1/history.jsonl", b"without an end", None),
    ],
)
def test_appended_files_end_at_a_complete_line(tmp_path: Path, name: str, content: bytes, end: int | None) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert appended_end(tmp_path, name, len(content)) == end


def test_segments_end_at_a_complete_frame(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [captured("one"), captured("two")])
    whole = path.stat().st_size
    name = path.relative_to(tmp_path).as_posix()
    assert appended_end(tmp_path, name, whole) == whole
    with path.open("ab") as stream:
        stream.write(b"\x40\0\0\0half of a frame")
    assert appended_end(tmp_path, name, path.stat().st_size) == whole
    assert appended_end(tmp_path, name, whole - 1) == whole // 2
