"""Label book: corrections, undo, and labels of clients beside those of people."""

from __future__ import annotations

from service.labels.book import LabelBook
from service.labels.events import LabelEvent, key_of_record
from tests.support.labels import event
from tests.support.traffic import captured

KEY = key_of_record(captured())


def book(*events: LabelEvent) -> LabelBook:
    made = LabelBook()
    made.add(events)
    return made


def label(made: LabelBook) -> str | None:
    current = made.current(KEY)
    return None if current is None else current.label or "none of these"


def test_last_label_counts_and_the_history_is_kept() -> None:
    made = book(event(label="dog", time=2), event(label="cat", time=1), event(label=None, time=3))

    assert label(made) == "none of these"
    assert [each.label for each in made.history(KEY)] == ["cat", "dog", None]


def test_undo_removes_the_last_event_of_the_same_person() -> None:
    made = book(event(label="cat", time=1), event(label="dog", by="bob", time=2), event(kind="undo", time=3))
    assert label(made) == "dog"

    made.add([event(kind="undo", by="bob", time=4)])
    assert label(made) is None
    assert not made.is_done(KEY)

    made.add([event(kind="undo", time=5), event(label="cat", time=6)])
    assert label(made) == "cat"


def test_undo_keeps_the_feedback_of_the_same_key() -> None:
    made = book(event(label="dog", source="feedback", time=1), event(kind="undo", time=2))
    assert label(made) == "dog"


def test_label_of_a_client_does_not_take_a_picture_out_of_the_queue() -> None:
    made = book(event(label="dog", source="feedback", time=1, probability=None))
    assert not made.is_done(KEY)
    assert made.first_chosen(KEY) is None

    made.add([event(label="cat", time=2), event(label="dog", source="feedback", time=3, probability=None)])
    assert made.is_done(KEY)
    assert label(made) == "dog"


def test_skip_is_of_one_person_and_no_label() -> None:
    made = book(event(kind="skip", time=1))
    assert made.skipped_by(KEY, "ann")
    assert not made.skipped_by(KEY, "bob")
    assert label(made) is None
    assert not made.is_done(KEY)


def test_reused_request_id_is_another_record() -> None:
    later = event(label="dog", recorded=7.0)
    made = book(event(label="cat"), later)
    assert label(made) == "cat"
    assert made.current(later.key) == later
