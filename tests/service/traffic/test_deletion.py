"""Deletion of captured requests: hidden at once, erased by maintenance."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.traffic.deletion import Deletion, Deletions
from service.traffic.maintenance import TrafficMaintenance
from service.traffic.reader import TrafficReader
from service.traffic.record import encode
from service.traffic.segments import Segment, segments_folder
from tests.support.traffic import AT, captured, write_segment

NOW = AT.timestamp()


def ids(home: Path) -> list[str]:
    return [record.id for record in TrafficReader(home).read_new()]


def test_deletion_by_id_hides_all_images_and_then_erases_their_bytes(tmp_path: Path) -> None:
    upload = b"the uploaded file"
    removed = [captured("secret", index=i, images=2, upload=upload) for i in range(2)]
    path = write_segment(tmp_path, [captured("a"), *removed, captured("b")])
    before = Deletions(tmp_path, settle_seconds=0)

    before.add(Deletion(request_id="secret", made=NOW))

    assert ids(tmp_path) == ["a", "b"]
    assert upload in path.read_bytes()
    assert before.erase() == (2, 1)
    assert upload not in path.read_bytes()
    assert b"secret" not in path.read_bytes()
    assert ids(tmp_path) == ["a", "b"]
    assert before.erase() == (0, 0)


def test_deletion_by_id_keeps_later_requests_with_the_same_id(tmp_path: Path) -> None:
    write_segment(tmp_path, [captured("a"), captured("a", time=AT + timedelta(minutes=1))])

    Deletions(tmp_path).add(Deletion(request_id="a", made=NOW))

    assert [record.time for record in TrafficReader(tmp_path).read_new()] == [AT + timedelta(minutes=1)]


@pytest.mark.parametrize(
    ("after", "before", "left"),
    [(NOW, NOW + 1, ["0", "2"]), (NOW, None, ["0"]), (None, NOW, ["1", "2"]), (NOW + 9, None, ["0", "1", "2"])],
)
def test_deletion_by_time_includes_its_begin_only(
    tmp_path: Path, after: float | None, before: float | None, left: list[str]
) -> None:
    write_segment(tmp_path, [captured(str(i), time=AT + timedelta(seconds=i - 1)) for i in range(3)])
    deletions = Deletions(tmp_path, settle_seconds=0)

    deletions.add(Deletion(after=after, before=before, made=NOW))

    assert ids(tmp_path) == left
    deletions.erase()
    assert ids(tmp_path) == left


def test_record_written_after_the_deletion_is_erased_too(tmp_path: Path) -> None:
    deletions = Deletions(tmp_path)
    deletions.add(Deletion(request_id="a", made=time.time()))
    segment = Segment(segments_folder(tmp_path))
    segment.append([encode(captured("a"))])  # was in the memory of another process
    segment.close()

    assert deletions.erase() == (0, 0)  # not settled
    assert ids(tmp_path) == []
    assert Deletions(tmp_path, settle_seconds=0).erase() == (1, 1)


def test_maintenance_erases_and_removes_old_segments(tmp_path: Path) -> None:
    maintenance = TrafficMaintenance(tmp_path, days=1)
    maintenance.run_once()
    assert list(tmp_path.iterdir()) == []
    kept = write_segment(tmp_path, [captured("a"), captured("b")])
    old = kept.with_name("20200101T000000.000000Z-host-1-1.seg")
    old.write_bytes(kept.read_bytes())
    Deletions(tmp_path).add(Deletion(request_id="a", made=NOW))

    maintenance.run_once()

    assert not old.exists()
    assert ids(tmp_path) == ["b"]
    assert b'"a"' not in kept.read_bytes()
    assert kept.exists()
    assert datetime.now(UTC) > AT
