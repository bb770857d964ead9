"""Promotion of the challenger after a verdict, through the gate."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from core.errors import DuetError
from core.repository.repository import ModelRepository
from core.trials.records import Trial, TrialPromotion
from core.trials.store import TrialStore
from service.errors import GateRefusedError
from service.errors.hidden_paths import hide_repository_paths
from service.models.promotions import Promotions
from service.shadow.evaluation import sentence

log = logging.getLogger("duet.shadow")


async def promote_pending(store: TrialStore, repository: ModelRepository, promotions: Promotions, trial: Trial) -> None:
    """Promote the challenger if no process has tried it; another process that is trying it is left alone.

    After a kill in between, another process tries again, and finds that the challenger is the champion.

    Raises:
        OSError: the result cannot be stored.
    """
    try:
        with FileLock(store.folder_of(trial) / ".promotion.lock", timeout=0):
            if store.promotion_of(trial) is None:
                outcome = await _promote(repository, promotions, trial)
                store.record_promotion(trial, outcome)
                log.warning("shadow trial %s: %s", trial.id, outcome.detail, extra={"promoted": outcome.promoted})
    except Timeout:
        return


async def _promote(repository: ModelRepository, promotions: Promotions, trial: Trial) -> TrialPromotion:
    champion = repository.champion(trial.family)
    if champion == trial.challenger:
        return _outcome(True, f"{trial.family}@{champion} is the champion")
    if champion != trial.champion:
        now = "no champion" if champion is None else f"the champion {trial.family}@{champion}"
        return _outcome(False, f"{trial.family} has {now} now, with which the challenger was not compared")
    reason = f"shadow trial {trial.id}: {sentence(trial, 'challenger_better')}"
    try:
        move = await promotions.promote(
            trial.family, trial.challenger, actor=trial.started_by, reason=reason, force=False
        )
    except GateRefusedError as refused:
        summary = refused.fields["report"]["summary"]
        return _outcome(False, str(hide_repository_paths(summary, repository)))
    except DuetError as error:
        return _outcome(False, str(hide_repository_paths(str(error), repository)))
    return _outcome(True, move.gate.summary, move.promotion.entry or None)


def _outcome(promoted: bool, detail: str, entry: int | None = None) -> TrialPromotion:
    return TrialPromotion(at=datetime.now(UTC), promoted=promoted, entry=entry, detail=detail)
