"""Evaluation of shadow trials: evidence from counts and labels, and the reasons that end a trial."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from core.repository.repository import ModelRepository
from core.schemas.shadow import ShadowTrial, TrialEnded
from core.sequential.mcnemar import TrialResult, TrialVerdict
from core.trials.records import EndReason, Trial, TrialEnd
from core.trials.store import TrialStore
from service.shadow.counts import Compared, read_counts
from service.shadow.scores import TrialScores

BY = "duet"
"""Name of the caller for an end without a request."""


INTERVAL_SECONDS = 5.0
"""Age at which the interval of the difference is computed again without new labels; it takes some 10 ms of one core."""


class _Known(NamedTuple):
    scores: list[int]
    result: TrialResult
    computed: float


class TrialEvaluation:
    """Evaluates the trials of a home. All methods block and are thread-safe; any number of processes may do so."""

    def __init__(self, home: Path, repository: ModelRepository, store: TrialStore) -> None:
        self._repository = repository
        self._store = store
        self._scores = TrialScores(home)
        self._lock = threading.Lock()
        self._followed: dict[str, Trial] | None = None
        self._results: dict[str, _Known] = {}

    def evaluate(self) -> list[tuple[Trial, ShadowTrial]]:
        """End the trials that have a reason to end; returns the running ones and those that have ended since.

        A trial is also returned while its promotion is due. The first call returns the newest trial of each family, so
        that a promotion that a kill has interrupted is found.

        Raises:
            RepositoryError: an alias file is damaged.
            OSError: a file cannot be read or written.
        """
        with self._lock:
            if self._followed is None:
                newest = {trial.family: trial for trial in self._store.all()}
                self._followed = {trial.id: trial for trial in newest.values()}
            trials = self._followed | {trial.id: trial for trial in self._store.running()}
            if trials:
                self._scores.refresh()
            found = [(trial, self._ended_if_due(trial)) for trial in trials.values()]
            self._followed = {trial.id: trial for trial, each in found if _is_followed(each)}
            return found

    def status(self, trial: Trial) -> ShadowTrial:
        """A trial with its evidence.

        Raises:
            OSError: a file cannot be read.
        """
        with self._lock:
            self._scores.refresh()
            return self._status(trial)

    def end_by_request(self, trial: Trial, *, by: str, note: str) -> None:
        """End a trial, unless it has ended or has another reason to end.

        Raises:
            RepositoryError: an alias file is damaged, or another process holds the lock.
            OSError: a file cannot be read or written.
        """
        with self._lock:
            self._scores.refresh()
            status = self._ended_if_due(trial)
            if status.running:
                self._end(trial, "request", by, note, status.result)

    def _ended_if_due(self, trial: Trial) -> ShadowTrial:
        status = self._status(trial)
        due = self._reason_to_end(trial, status) if status.running else None
        if due is None:
            return status
        self._end(trial, due[0], BY, due[1], status.result)
        return self._status(trial)

    def _reason_to_end(self, trial: Trial, status: ShadowTrial) -> tuple[EndReason, str] | None:
        if status.result.verdict != "undecided":
            return "verdict", sentence(trial, status.result.verdict)
        if status.labels_left == 0:
            return "label_budget", f"the budget of {trial.plan.label_budget:,} labels is used up"
        champion = self._repository.champion(trial.family)
        if champion != trial.champion:
            now = "no champion" if champion is None else f"the champion {trial.family}@{champion}"
            return "champion_changed", f"{trial.family} has {now} now"
        if trial.challenger not in self._repository.numbers(trial.family):
            return "challenger_deleted", f"{trial.family}@{trial.challenger} was deleted"
        if datetime.now(UTC) >= trial.ends_by:
            return "time", f"{trial.plan.max_days:g} days have passed"
        return None

    def _end(self, trial: Trial, reason: EndReason, by: str, note: str, result: TrialResult) -> None:
        end = TrialEnd(reason=reason, at=datetime.now(UTC), by=by, note=note, result=result)
        self._store.end(trial, end)

    def _status(self, trial: Trial) -> ShadowTrial:
        end = self._store.end_of(trial)
        compared = read_counts(self._store.folder_of(trial))
        scores = [] if end else self._scores.of(trial)
        result = end.result if end else self._result(trial, scores, compared)
        return ShadowTrial(
            id=trial.id,
            model=trial.family,
            champion=trial.champion,
            challenger=trial.challenger,
            plan=trial.plan,
            started_at=trial.started_at,
            started_by=trial.started_by,
            ends_by=trial.ends_by,
            running=end is None,
            result=result,
            labels_left=0 if end else trial.plan.label_budget - len(scores),
            dropped=compared.dropped,
            end=end and TrialEnded(reason=end.reason, at=end.at, by=end.by, note=end.note),
            promotion=self._store.promotion_of(trial) if end else None,
        )

    def _result(self, trial: Trial, scores: list[int], compared: Compared) -> TrialResult:
        """The result. Without new labels, only its counts are new, and its interval every INTERVAL_SECONDS."""
        known = self._results.get(trial.id)
        if known is not None and known.scores == scores:
            counts = known.result.counts
            is_same = (counts.agreements, counts.disagreements) == (compared.agreements, compared.disagreements)
            if is_same or time.monotonic() - known.computed < INTERVAL_SECONDS:
                return _with_counts(known.result, compared)
        result = trial.test.first_result(scores, agreements=compared.agreements, disagreements=compared.disagreements)
        self._results[trial.id] = _Known(scores, result, time.monotonic())
        return result


def sentence(trial: Trial, verdict: TrialVerdict) -> str:
    """The verdict in words."""
    new, old = f"{trial.family}@{trial.challenger}", f"{trial.family}@{trial.champion}"
    match verdict:
        case "challenger_better":
            return f"{new} is more accurate than {old}"
        case "champion_better":
            return f"{old} is more accurate than {new}"
        case "no_difference":
            return f"the accuracies of {old} and {new} differ by less than {trial.plan.margin:g}"
        case "undecided":
            return f"neither {old} nor {new} is known to be more accurate"


def _with_counts(result: TrialResult, compared: Compared) -> TrialResult:
    counts = result.counts
    unlabelled = max(0, compared.disagreements - counts.labelled)
    changed = counts.model_copy(update={"agreements": compared.agreements, "unlabelled": unlabelled})
    return result.model_copy(update={"counts": changed})


def promotion_is_due(status: ShadowTrial) -> bool:
    """True if the trial has ended with a verdict after which the challenger is to be promoted, and was not yet."""
    return (
        not status.running
        and status.plan.promote
        and status.result.verdict == "challenger_better"
        and status.promotion is None
    )


def _is_followed(status: ShadowTrial) -> bool:
    return status.running or promotion_is_due(status)
