"""Label files: append-only, readable by all processes at once, with torn ends, full disks and erasure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.labels.events import LabelEvent
from service.labels.files import LabelReader, LabelWriter, erase_labels, labels_folder
from service.traffic.deletion import Deletion, Hidden
from tests.support.labels import event
from tests.support.traffic import AT, captured


def files(home: Path) -> list[Path]:
    return sorted(labels_folder(home).glob("*.jsonl"))


def labels(events: Sequence[LabelEvent]) -> list[str | None]:
    return [each.label for each in events]


def test_reading_creates_nothing(tmp_path: Path) -> None:
    assert LabelReader(tmp_path).read_new() == []
    assert erase_labels(tmp_path, Hidden((Deletion(before=1e12, made=0),))) == 0
    assert list(tmp_path.iterdir()) == []


def test_events_of_two_writers_are_read_once_in_order_of_time(tmp_path: Path) -> None:
    first, second, reader = LabelWriter(tmp_path), LabelWriter(tmp_path), LabelReader(tmp_path)
    first.append([event(time=3.0, label="cat")])
    second.append([event(time=2.0, label="dog"), event(time=4.0, label=None)])

    found = reader.read_new()

    assert labels(found) == ["dog", "cat", None]
    assert found[1] == event(time=3.0, label="cat")
    assert reader.read_new() == []
    first.append([event(time=5.0, label="cat")])
    assert labels(reader.read_new()) == ["cat"]
    assert len(files(tmp_path)) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(tmp_path))


def test_torn_line_at_the_end_is_not_read_and_never_continued(tmp_path: Path) -> None:
    LabelWriter(tmp_path).append([event(label="cat")])
    [path] = files(tmp_path)
    whole = event(label="dog").line()
    with path.open("ab") as stream:
        stream.write(whole[:-20])  # the process was killed
    reader = LabelReader(tmp_path)

    assert labels(reader.read_new()) == ["cat"]
    LabelWriter(tmp_path).append([event(label=None)])
    assert labels(reader.read_new()) == [None]
    with path.open("ab") as stream:  # not killed, only slow
        stream.write(whole[-20:])
    assert labels(reader.read_new()) == ["dog"]


def test_line_that_is_no_event_is_skipped(tmp_path: Path) -> None:
    writer = LabelWriter(tmp_path)
    writer.append([event(label="cat")])
    with files(tmp_path)[0].open("ab") as stream:
        stream.write(b'{"kind":"label"}\n\n')
    writer.append([event(label="dog")])

    assert labels(LabelReader(tmp_path).read_new()) == ["cat", "dog"]


def test_failed_write_leaves_no_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, real = LabelWriter(tmp_path), os.write
    writer.append([event(label="cat")])

    def full(descriptor: int, content: Any) -> int:
        if len(content) < 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[:-50])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            writer.append([event(label="dog")])
    writer.append([event(label=None)])

    assert labels(LabelReader(tmp_path).read_new()) == ["cat", None]
    assert all(path.read_bytes().endswith(b"}\n") for path in files(tmp_path))


def test_removed_file_is_replaced(tmp_path: Path) -> None:
    writer = LabelWriter(tmp_path)
    writer.append([event(label="cat")])
    files(tmp_path)[0].unlink()
    writer.append([event(label="dog")])

    assert labels(LabelReader(tmp_path).read_new()) == ["dog"]


def test_skip_has_no_label_in_its_line(tmp_path: Path) -> None:
    assert b'"label"' not in event(kind="skip", answers=()).line()
    assert b'"label":null' in event(label=None, answers=()).line()


def test_labels_of_deleted_requests_are_erased(tmp_path: Path) -> None:
    writer, reader = LabelWriter(tmp_path), LabelReader(tmp_path)
    secret = captured("secret", index=1, images=2)
    writer.append([event(captured("a")), event(secret), event(captured("b"), kind="skip")])
    assert len(reader.read_new()) == 3
    size = files(tmp_path)[0].stat().st_size

    assert not reader.was_erased()
    assert erase_labels(tmp_path, Hidden((Deletion(request_id="secret", made=AT.timestamp()),))) == 1

    assert reader.was_erased()
    assert [each.id for each in reader.read_new()] == ["a", "b"]
    assert b"secret" not in files(tmp_path)[0].read_bytes()
    assert files(tmp_path)[0].stat().st_size == size
    assert not reader.was_erased()
