"""Index of captured images: files beside the segments, incremental reading, repairs and deletions."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from service.labels.choice import choice_probability, is_chosen, position
from service.labels.events import key_of_record
from service.labels.index import RecordIndex
from service.labels.index_files import IndexWriter, read_index
from service.labels.index_rows import ROW
from service.traffic.deletion import Deletion, Deletions
from service.traffic.reader import TrafficReader
from service.traffic.record import CapturedRequest
from service.traffic.retention import remove_expired
from service.traffic.segments import INDEX_SUFFIX, segments_folder
from tests.support.labels import certain, disputed
from tests.support.traffic import captured, write_segment


def records(count: int, *, start: int = 0) -> list[CapturedRequest]:
    """Every second one is disputed, and therefore chosen."""
    return [(disputed if n % 2 else certain)(f"r{n}") for n in range(start, start + count)]


def write_index(home: Path) -> None:
    IndexWriter(home).add(TrafficReader(home).read_all())


def keys(index: RecordIndex) -> list[str]:
    index.refresh()
    return [entry.key for entry in index.queue("capture", ["x"])]


def test_queue_has_the_chosen_images_in_the_order_of_their_positions(tmp_path: Path) -> None:
    found = [*records(40), captured("t", origin="trial", trial="x")]
    write_segment(tmp_path, found)
    index = RecordIndex(tmp_path)
    index.refresh()
    trial, *chosen = [entry.key for entry in index.queue("trial", ["x"])]
    assert trial == key_of_record(found[-1])
    assert chosen == sorted(
        (key for record in found[:-1] if is_chosen(key := key_of_record(record), choice_probability(record))),
        key=position,
    )
    assert [entry.key for entry in index.queue("capture", ["x"])] == [*chosen, trial]
    assert [entry.key for entry in index.queue("trial", ["another"])] == chosen
    done = [trial, chosen[3], "f" * 32]
    assert index.counts(done, ["x"]) == (len(chosen) - 1, 2)
    assert index.counts([], []) == (len(chosen), 0)


@pytest.mark.parametrize("indexed", [0, 7, 20])
def test_entries_are_the_same_with_and_without_index_files(tmp_path: Path, indexed: int) -> None:
    written = [*records(19), captured("t", origin="trial", trial="x")]
    segment = write_segment(tmp_path, written)
    expected = RecordIndex(tmp_path)
    order = keys(expected)
    if indexed:
        IndexWriter(tmp_path).add(TrafficReader(tmp_path).read_new(limit=indexed))
    # The index is made of all records of the segment, also of those that were not passed.
    assert len(read_index(segment)) == (20 if indexed else 0)
    found = RecordIndex(tmp_path)
    assert keys(found) == order
    for record in written:
        assert found.get(key_of_record(record)) == expected.get(key_of_record(record))
        [entry] = found.find(record.id)
        assert found.load(entry) is not None


def test_records_after_the_index_are_read_once(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, records(5))
    write_index(tmp_path)
    with segment.open("ab") as stream:
        other = write_segment(tmp_path / "other", records(3, start=5))
        stream.write(other.read_bytes())
    index = RecordIndex(tmp_path)
    for _ in range(2):
        index.refresh()
        assert [len(index.find(f"r{n}")) for n in range(9)] == [1] * 8 + [0]
        assert index.counts([], [])[0] == len(keys(index))


def test_index_is_continued_by_the_next_writer(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, records(5))
    write_index(tmp_path)
    index = segment.with_suffix(INDEX_SUFFIX)
    whole = index.read_bytes()
    index.write_bytes(whole[: 3 * ROW.itemsize + 7])  # cut off by a kill
    assert len(read_index(segment)) == 3
    write_index(tmp_path)
    assert index.read_bytes() == whole


def test_each_record_is_listed_once(tmp_path: Path) -> None:
    segments = [write_segment(tmp_path, records(4)), write_segment(tmp_path, records(4, start=4))]
    writer = IndexWriter(tmp_path)
    for _ in range(2):
        writer.add(TrafficReader(tmp_path).read_all())
    for segment in segments:
        offsets = read_index(segment)["offset"]
        assert len(offsets) == 4
        assert (np.diff(offsets.astype(np.int64)) > 0).all()


def test_deletion_removes_the_index_and_it_is_made_again(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, records(6))
    writer, reader = IndexWriter(tmp_path), TrafficReader(tmp_path)
    writer.add(reader.read_all())
    Deletions(tmp_path).add(Deletion(request_id="r1", made=time.time()))
    assert Deletions(tmp_path, settle_seconds=-1).erase().records == 1
    assert not segment.with_suffix(INDEX_SUFFIX).exists()
    with segment.open("ab") as stream:
        stream.write(write_segment(tmp_path / "other", records(1, start=6)).read_bytes())
    writer.add(reader.read_all())
    assert len(read_index(segment)) == 6
    index = RecordIndex(tmp_path)
    index.refresh()
    assert index.find("r1") == []
    assert len(index.find("r6")) == 1


def test_expired_segments_are_forgotten_and_their_indexes_removed(tmp_path: Path) -> None:
    write_segment(tmp_path, records(6))
    write_index(tmp_path)
    index = RecordIndex(tmp_path)
    assert keys(index)
    assert remove_expired(segments_folder(tmp_path), days=-1) == 1
    assert keys(index) == []
    assert index.find("r1") == []
    assert list(segments_folder(tmp_path).iterdir()) == []


def test_newest_request_with_an_id_is_found(tmp_path: Path) -> None:
    old, new = captured("a"), captured("a", time=captured().time.replace(year=2031))
    write_segment(tmp_path, [new])
    write_segment(tmp_path, [old])
    write_index(tmp_path)
    index = RecordIndex(tmp_path)
    index.refresh()
    [entry] = index.find("a")
    assert entry.key == key_of_record(new)


def test_failed_write_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = write_segment(tmp_path, records(4))
    writer = IndexWriter(tmp_path)

    def write_half(descriptor: int, content: bytes) -> int:
        os.pwrite(descriptor, content[:60], 0)
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr("service.labels.index_files.os.write", write_half)
        with pytest.raises(OSError, match="full"):
            writer.add(TrafficReader(tmp_path).read_all())
    assert len(read_index(segment)) == 1
    writer.add(TrafficReader(tmp_path).read_all())
    assert len(read_index(segment)) == 4
