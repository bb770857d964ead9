"""Reader of captured requests: increments, order of time, deletions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from service.traffic.deletion import Deletion, Deletions
from service.traffic.reader import TrafficReader
from service.traffic.record import encode
from service.traffic.segments import Segment, read_frames, segments_folder
from tests.support.traffic import AT, captured, write_segment


def ids(reader: TrafficReader) -> list[str]:
    return [record.id for record in reader.read_new()]


def test_home_without_traffic_has_no_records(tmp_path: Path) -> None:
    assert TrafficReader(tmp_path).read_new() == []
    assert list(tmp_path.iterdir()) == []


def test_each_call_returns_only_new_records(tmp_path: Path) -> None:
    reader = TrafficReader(tmp_path)
    segment = Segment(segments_folder(tmp_path))
    segment.append([encode(captured("a"))])
    assert ids(reader) == ["a"]
    assert ids(reader) == []
    segment.append([encode(captured("b"))])
    write_segment(tmp_path, [captured("c", time=AT - timedelta(seconds=1))])

    assert ids(reader) == ["c", "b"]
    segment.close()


def test_limit_splits_the_records_over_several_calls(tmp_path: Path) -> None:
    write_segment(tmp_path, [captured(str(i)) for i in range(5)])
    reader = TrafficReader(tmp_path)

    assert [record.id for record in reader.read_new(limit=2)] == ["0", "1"]
    assert [record.id for record in reader.read_all()] == ["2", "3", "4"]


def test_removed_segments_are_forgotten(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [captured("a")])
    reader = TrafficReader(tmp_path)
    reader.read_new()
    path.unlink()

    assert ids(reader) == []
    assert reader.position == {}


def test_record_is_loaded_by_its_location_until_it_is_deleted(tmp_path: Path) -> None:
    write_segment(tmp_path, [captured("a"), captured("b")])
    reader = TrafficReader(tmp_path)
    location = reader.read_new()[1].location
    assert location is not None
    loaded = reader.load(location)
    assert loaded is not None
    assert loaded.id == "b"

    Deletions(tmp_path).add(Deletion(request_id="b", made=AT.timestamp()))

    assert reader.load(location) is None


def test_record_of_another_format_is_skipped(tmp_path: Path) -> None:
    segment = Segment(segments_folder(tmp_path))
    segment.append([encode(captured("a")).replace(b'"format":1', b'"format":9'), encode(captured("b"))])
    segment.close()

    assert ids(TrafficReader(tmp_path)) == ["b"]
    assert len(list(read_frames(segment.path))) == 2
