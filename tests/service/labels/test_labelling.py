"""Labelling: feedback, the order of the queue, skips, deletions and several processes."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from core.trials.store import TrialStore
from service.labels.claims import Claims
from service.labels.events import key_of_record
from service.labels.files import LabelReader
from service.labels.labelling import Counts, Labelling
from service.traffic.deletion import Deletion, Deletions
from tests.support.labels import disputed, not_chosen
from tests.support.shadow import end, plan
from tests.support.traffic import AT, captured, write_segment


class MemoryClaims(Claims):
    """Claims without Redis."""

    def __init__(self) -> None:
        self.claimed: dict[str, str] = {}

    def take(self, key: str) -> str | None:
        if key in self.claimed:
            return None
        self.claimed[key] = f"token-{len(self.claimed)}"
        return self.claimed[key]

    def release(self, key: str, token: str) -> None:
        if self.claimed.get(key) == token:
            del self.claimed[key]


def next_ids(labelling: Labelling, claims: Claims, *, by: str = "ann") -> list[str]:
    """Ids of all pictures that can be claimed, in order."""
    found = []
    while (task := labelling.next_task(claims, by=by)) is not None:
        found.append(task.record.id)
    return found


def test_nothing_is_written_without_labels(tmp_path: Path) -> None:
    labelling = Labelling(tmp_path)
    assert labelling.next_task(MemoryClaims(), by="ann") is None
    assert labelling.counts() == Counts(0, 0)
    assert labelling.feedback([("a", "cat")], by="app").unknown == ("a",)
    assert list(tmp_path.iterdir()) == []


def test_feedback_is_idempotent_and_corrected_with_its_history(tmp_path: Path) -> None:
    write_segment(tmp_path, [captured("a"), captured("m", index=1, images=2)])
    labelling = Labelling(tmp_path)

    first = labelling.feedback([("a", "cat"), ("m~1", None), ("m", "cat"), ("gone", "dog")], by="app")
    assert (first.stored, first.unchanged, first.unknown) == (2, 0, ("m", "gone"))
    again = labelling.feedback([("a", "cat"), ("m~1", None)], by="other")
    assert (again.stored, again.unchanged, again.unknown) == (0, 2, ())
    assert len(LabelReader(tmp_path).read_new()) == 2
    corrected = labelling.feedback([("a", "lynx")], by="app")
    assert (corrected.stored, corrected.new_classes) == (1, ("lynx",))

    assert [(event.id, event.label) for event, _ in labelling.export(history=False)] == [("m~1", None), ("a", "lynx")]
    history = [(event.label, current) for event, current in labelling.export(history=True) if event.id == "a"]
    assert history == [("cat", False), ("lynx", True)]


def test_feedback_is_for_the_newest_request_with_the_id(tmp_path: Path) -> None:
    later = captured("a", time=AT + timedelta(minutes=1))
    write_segment(tmp_path, [captured("a"), later])
    labelling = Labelling(tmp_path)
    labelling.feedback([("a", "cat")], by="app")

    assert labelling.current(later) is not None
    assert labelling.current(captured("a")) is None


def test_expired_and_deleted_requests_are_unknown(tmp_path: Path) -> None:
    expired = write_segment(tmp_path, [captured("expired")])
    write_segment(tmp_path, [captured("deleted"), captured("kept")])
    labelling = Labelling(tmp_path)
    labelling.counts()  # reads all
    expired.unlink()
    Deletions(tmp_path).add(Deletion(request_id="deleted", made=AT.timestamp()))

    found = labelling.feedback([("expired", "cat"), ("deleted", "cat"), ("kept", "cat")], by="app")

    assert (found.stored, found.unknown) == (1, ("expired", "deleted"))


def test_queue_has_the_chosen_pictures_in_an_order_of_its_own(tmp_path: Path) -> None:
    records = [disputed(f"d{number}") for number in range(12)]
    write_segment(tmp_path, [*not_chosen(5), *records])
    labelling = Labelling(tmp_path)
    assert labelling.counts() == Counts(12, 0)

    ids = next_ids(labelling, MemoryClaims())

    assert sorted(ids) == sorted(record.id for record in records)
    assert ids != [record.id for record in records]
    assert next_ids(Labelling(tmp_path), MemoryClaims(), by="bob") == ids


def test_labelled_and_skipped_pictures_leave_the_queue(tmp_path: Path) -> None:
    a, b, c = (disputed(name) for name in "abc")
    write_segment(tmp_path, [a, b, c])
    ann, bob = Labelling(tmp_path), Labelling(tmp_path)

    ann.label(a, "cat", by="ann")
    ann.skip(b, by="ann")

    assert next_ids(ann, MemoryClaims()) == ["c"]
    assert sorted(next_ids(bob, MemoryClaims(), by="bob")) == ["b", "c"]
    assert bob.counts() == Counts(2, 1)
    assert ann.has_label(a, "cat", by="ann")
    assert not ann.has_label(a, "cat", by="bob")
    assert ann.undo(b, by="ann")
    assert not ann.undo(b, by="ann")
    assert not bob.undo(a, by="bob")
    assert sorted(next_ids(ann, MemoryClaims())) == ["b", "c"]


def test_feedback_does_not_take_pictures_out_of_the_queue(tmp_path: Path) -> None:
    write_segment(tmp_path, [disputed("a")])
    labelling = Labelling(tmp_path)
    labelling.feedback([("a", "dog")], by="app")
    assert labelling.observations() == []

    assert next_ids(labelling, MemoryClaims()) == ["a"]
    labelling.label(disputed("a"), "cat", by="ann")

    [observed] = labelling.observations()
    assert (observed.label, observed.choice_probability, observed.capture_probability) == ("cat", 1.0, 0.1)
    assert labelling.other_labels() == 0


def test_pictures_of_a_shadow_trial_are_labelled_and_not_observed(tmp_path: Path) -> None:
    running = TrialStore(tmp_path).start("cnn", 1, plan(), by="ann")
    trial = captured("t", origin="trial", trial=running.id)
    write_segment(tmp_path, [trial, disputed("a")])
    labelling = Labelling(tmp_path)
    assert sorted(next_ids(labelling, MemoryClaims())) == ["a", "t"]

    labelling.label(trial, "cat", by="ann")

    current = labelling.current(trial)
    assert current is not None
    assert (current.source, current.probability, current.trial) == ("trial", None, running.id)
    assert labelling.observations() == []
    assert labelling.other_labels() == 1


def test_pictures_of_an_ended_trial_are_not_shown(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    ended = store.start("cnn", 1, plan(), by="ann")
    write_segment(tmp_path, [captured(name, origin="trial", trial=ended.id) for name in ("t", "u")])
    labelling = Labelling(tmp_path)
    labelling.label(captured("t", origin="trial", trial=ended.id), "cat", by="ann")
    assert labelling.counts() == Counts(waiting=1, labelled=1)

    store.end(ended, end())

    assert next_ids(labelling, MemoryClaims()) == []
    assert labelling.counts() == Counts(waiting=0, labelled=1)


def test_half_of_the_pictures_are_of_the_running_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = TrialStore(tmp_path).start("cnn", 1, plan(), by="ann")
    trial = [captured(f"t{number}", origin="trial", trial=running.id) for number in range(40)]
    write_segment(tmp_path, [*trial, *(disputed(f"r{number}") for number in range(40))])
    monkeypatch.setattr(random, "random", random.Random(1).random)
    first = next_ids(Labelling(tmp_path), MemoryClaims())[:40]
    assert 10 <= sum(name.startswith("t") for name in first) <= 30


def test_deleted_picture_is_not_shown_and_its_claim_is_released(tmp_path: Path) -> None:
    write_segment(tmp_path, [disputed("a"), disputed("b")])
    labelling, claims = Labelling(tmp_path), MemoryClaims()
    labelling.counts()
    Deletions(tmp_path).add(Deletion(request_id="a", made=AT.timestamp()))

    assert next_ids(labelling, claims) == ["b"]
    assert set(claims.claimed) == {key_of_record(disputed("b"))}
    assert labelling.find(key_of_record(disputed("a"))) is None


def test_labelled_images_have_their_current_class(tmp_path: Path) -> None:
    write_segment(tmp_path, [disputed(name) for name in "abcd"])
    labelling = Labelling(tmp_path)
    labelling.feedback([("a", "cat"), ("b", "dog"), ("c", None)], by="app")
    labelling.feedback([("a", "dog")], by="app")

    assert [(image.record.id, image.label) for image in labelling.labelled_images()] == [("b", "dog"), ("a", "dog")]
