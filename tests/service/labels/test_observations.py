"""Observations of labelled traffic: only random choices, with corrections, in the order of the first labels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from service.labels.files import LabelWriter, erase_labels
from service.labels.observations import ObservationReader
from service.traffic.deletion import Deletion, Deletions, Hidden
from tests.support.labels import event
from tests.support.traffic import AT, captured


def test_home_without_labels_has_no_observations(tmp_path: Path) -> None:
    assert list(ObservationReader(tmp_path).read()) == []
    assert list(tmp_path.iterdir()) == []


def test_only_labels_of_chosen_pictures_are_observations(tmp_path: Path) -> None:
    trial = captured("c", origin="trial", trial="t1")
    LabelWriter(tmp_path).append(
        [
            event(captured("b"), time=2, probability=0.25),
            event(captured("a"), time=1),
            event(trial, time=3, source="trial", probability=None),
            event(captured("d"), time=4, source="feedback", probability=None),
            event(captured("e"), time=5, kind="skip"),
        ]
    )

    found = ObservationReader(tmp_path).read()

    assert [each.id for each in found] == ["a", "b"]
    assert found[1].weight == 1 / (0.1 * 0.25)
    assert [(each.family, each.label, each.in_response) for each in found[0].answers] == [
        ("cnn", "cat", True),
        ("mlp", "dog", False),
    ]


def test_correction_changes_the_label_and_not_the_order(tmp_path: Path) -> None:
    writer, reader = LabelWriter(tmp_path), ObservationReader(tmp_path)
    writer.append([event(captured("a"), time=1), event(captured("b"), time=2)])
    before = reader.read()
    assert reader.read() is before

    writer.append([event(captured("a"), time=3, label="dog", source="feedback", probability=None)])

    assert [(each.id, each.label, each.labelled) for each in reader.read()] == [("a", "dog", 1.0), ("b", "cat", 2.0)]


def test_undone_label_is_no_observation(tmp_path: Path) -> None:
    LabelWriter(tmp_path).append([event(time=1), event(time=2, kind="undo")])
    assert list(ObservationReader(tmp_path).read()) == []


def test_deleted_requests_are_left_out_before_and_after_erasure(tmp_path: Path) -> None:
    LabelWriter(tmp_path).append([event(captured("a")), event(captured("b", time=AT + timedelta(hours=1)))])
    reader, deletion = ObservationReader(tmp_path), Deletion(request_id="a", made=AT.timestamp())
    assert len(reader.read()) == 2

    Deletions(tmp_path).add(deletion)
    assert [each.id for each in reader.read()] == ["b"]

    assert Deletions(tmp_path, settle_seconds=0).erase(lambda hidden: erase_labels(tmp_path, hidden)).finished == 1
    assert [each.id for each in reader.read()] == ["b"]
    assert erase_labels(tmp_path, Hidden((deletion,))) == 0
