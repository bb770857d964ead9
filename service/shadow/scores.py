"""Scores of shadow trials from the labels of their disagreements."""

from __future__ import annotations

from pathlib import Path

from core.trials.records import Trial
from service.labels.book import LabelBook
from service.labels.events import LabelEvent
from service.labels.files import LabelReader
from service.traffic.deletion import Deletions, Hidden
from service.traffic.record import request_id_of


class TrialScores:
    """Reads the labels under a home incrementally, without the images. Not thread-safe."""

    def __init__(self, home: Path) -> None:
        self._reader = LabelReader(home)
        self._deletions = Deletions(home)
        self._restart()

    def refresh(self) -> None:
        """Read what is new.

        Raises:
            OSError: a file cannot be read.
        """
        if self._reader.was_erased():
            self._restart()
        events = [event for event in self._reader.read_new() if event.trial is not None]
        self._book.add(events)
        for event in events:
            self._keys.setdefault(str(event.trial), set()).add(event.key)
        self._hidden = self._deletions.current()

    def of(self, trial: Trial) -> list[int]:
        """Scores of the labelled disagreements in the order of their first labels, at most as many as the budget.

        A disagreement counts if a person has labelled it for the trial, or also if a client has sent its class and the
        trial uses feedback. Its score comes from the current label, which may be a correction: 1 if only the
        challenger is right, -1 if only the champion is, 0 if neither is.
        """
        found = []
        for key in self._keys.get(trial.id, ()):
            first = next((event for event in self._book.valid(key) if _counts(event, trial)), None)
            current = self._book.current(key)
            if first is None or current is None or self._hidden.hides(request_id_of(first.id), first.recorded):
                continue
            score = _score(trial, first, current.label)
            if score is not None:
                found.append((first.time, key, score))
        return [score for _, _, score in sorted(found)[: trial.plan.label_budget]]

    def _restart(self) -> None:
        self._book = LabelBook()
        self._keys: dict[str, set[str]] = {}
        self._hidden = Hidden()


def _counts(event: LabelEvent, trial: Trial) -> bool:
    sources = ("trial", "feedback") if trial.plan.use_feedback else ("trial",)
    return event.kind == "label" and event.source in sources


def _score(trial: Trial, event: LabelEvent, label: str | None) -> int | None:
    """Score of a disagreement; None if the event lacks one of the answers."""
    answers = {
        answer.version: answer.label
        for answer in reversed(event.answers)  # the first answer of a version counts
        if answer.family == trial.family
    }
    if not answers.keys() >= {trial.champion, trial.challenger}:
        return None
    return int(answers[trial.challenger] == label) - int(answers[trial.champion] == label)
