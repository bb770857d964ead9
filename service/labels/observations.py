"""Observations of labelled traffic: randomly chosen and labelled images with their inclusion probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.labels.book import LabelBook
from service.labels.events import LabelledAnswer
from service.labels.files import LabelReader
from service.traffic.deletion import Deletions, Hidden
from service.traffic.record import request_id_of


@dataclass(frozen=True)
class Observation:
    """A captured image that was chosen at random and labelled by a person.

    Attributes:
        id: id of the record.
        recorded: time of the request, in seconds since 1970.
        labelled: time of the first label from the queue, in seconds since 1970.
        label: the current label, which may be a correction; None for "none of these".
        capture_probability: probability with which the request was captured, in (0, 1].
        choice_probability: probability with which the captured image was chosen, in (0, 1].
        answers: answers of the models.
    """

    id: str
    recorded: float
    labelled: float
    label: str | None
    capture_probability: float
    choice_probability: float
    answers: tuple[LabelledAnswer, ...]

    @property
    def weight(self) -> float:
        """Weight in estimates over all traffic: one over the probability of being captured and chosen."""
        return 1 / (self.capture_probability * self.choice_probability)


def observations(book: LabelBook, hidden: Hidden) -> list[Observation]:
    """The observations in the order of their first labels, without deleted requests.

    Images that have labels only from clients or from shadow trials are left out, because they are no random sample. A
    label from a client corrects that of a person if it is newer.
    """
    found = []
    for key in book:
        first, current = book.first_chosen(key), book.current(key)
        if first is None or current is None or first.probability is None:
            continue
        if hidden.hides(request_id_of(first.id), first.recorded):
            continue
        found.append(
            Observation(
                id=first.id,
                recorded=first.recorded,
                labelled=first.time,
                label=current.label,
                capture_probability=first.capture_probability,
                choice_probability=first.probability,
                answers=first.answers,
            )
        )
    return sorted(found, key=lambda each: each.labelled)


class ObservationReader:
    """Reads the observations under a home incrementally, without the images. Not thread-safe."""

    def __init__(self, home: Path) -> None:
        self._reader = LabelReader(home)
        self._deletions = Deletions(home)
        self._book = LabelBook()
        self._hidden = Hidden()
        self._observations: Sequence[Observation] = ()

    def read(self) -> Sequence[Observation]:
        """All observations in the order of their first labels; the same object if nothing has changed.

        Raises:
            OSError: a file cannot be read.
        """
        erased, hidden = self._reader.was_erased(), self._deletions.current()
        if erased:
            self._book = LabelBook()
        events = self._reader.read_new()
        if erased or events or hidden is not self._hidden:
            self._book.add(events)
            self._hidden = hidden
            self._observations = observations(self._book, hidden)
        return self._observations
