"""Moves champions, and has this process follow at once: load -> judge -> promote -> follow."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from core.errors import CorruptVersionError
from core.gate.assess import assess
from core.gate.promotion import promote_on_evidence
from core.gate.report import GateReport
from core.gate.thresholds import GateThresholds
from core.repository.alias_files import Promotion
from core.repository.champions import history, rollback
from core.repository.repository import ModelRepository
from core.schemas.promotions import GatedMove, Move, PromotionPage
from service.engine.model_manager import ModelManager
from service.engine.versions import existing_versions
from service.errors import (
    DeadlineExceededError,
    GateRefusedError,
    UnknownModelVersionError,
    VersionRefusedError,
)

Result = TypeVar("Result")
_REMEMBERED_REPORTS = 64


class Promotions:
    """Used from one event loop. What the gate does is done on one thread, one request after the other."""

    def __init__(self, repository: ModelRepository, models: ModelManager, thresholds: GateThresholds) -> None:
        self._repository = repository
        self._models = models
        self._thresholds = thresholds
        self._gate = ThreadPoolExecutor(1, thread_name_prefix="gate")
        self._reports: OrderedDict[tuple[str, int, int | None], GateReport] = OrderedDict()

    async def preview(self, family: str, version: int, *, deadline: float) -> GateReport:
        """What the gate says of a version against the champion of this moment; changes nothing.

        Versions never change, so a report of the same two is remembered if nothing in it is missing.

        Args:
            family: the model's name.
            version: the candidate.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            UnknownModelError, UnknownModelVersionError: there is no such version.
            VersionRefusedError: its files are not as recorded.
            DeadlineExceededError: others were judged for too long.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await self._on_gate_thread(partial(self._report, family, version))
        except TimeoutError:
            raise DeadlineExceededError("the gate had no time for this version before the deadline") from None

    async def promote(self, family: str, version: int, *, actor: str, reason: str, force: bool) -> GatedMove:
        """Make a version champion if the gate lets it pass, or `force` says so; once begun, it is seen through.

        Raises:
            UnknownModelError, UnknownModelVersionError: there is no such version.
            VersionRefusedError: its files are not as recorded, or it cannot be run.
            GateRefusedError: it does not pass.
        """
        await self._models.find(family, version)  # what cannot be served never becomes champion
        judged = partial(
            promote_on_evidence,
            self._repository,
            family,
            version,
            policy="if_better",
            thresholds=self._thresholds,
            actor=actor,
            reason=reason,
            force=force,
        )
        try:
            decision = await self._on_gate_thread(judged)
        except CorruptVersionError as error:
            raise VersionRefusedError(family, version, str(error)) from error
        if decision.promotion is None:
            raise GateRefusedError(decision.report)
        move = await self._followed(decision.promotion)
        return GatedMove(**dict(move), gate=decision.report)

    async def rollback(self, family: str, *, actor: str, reason: str) -> Move:
        """Return to the champion before the present one.

        Raises:
            UnknownModelError: there is no such model.
            NothingToRollBackError: there is no earlier champion that can be served.
        """
        await asyncio.to_thread(existing_versions, self._repository, family)
        promotion = await asyncio.to_thread(rollback, self._repository, family, actor=actor, reason=reason)
        return await self._followed(promotion)

    def page(self, family: str, *, limit: int, cursor: int | None) -> PromotionPage:
        """The audit trail of a family, newest first, from the entry before `cursor` on; reads the disk.

        Raises:
            UnknownModelError: the family has neither an entry nor a version.
        """
        entries = [entry for entry in history(self._repository) if entry.family == family]
        if not entries:
            existing_versions(self._repository, family)
        older = [entry for entry in reversed(entries) if cursor is None or entry.entry < cursor]
        return PromotionPage(
            promotions=tuple(older[:limit]), next_cursor=older[limit - 1].entry if len(older) > limit else None
        )

    def close(self) -> None:
        """Let what is being judged finish, and judge nothing more."""
        self._gate.shutdown(wait=True, cancel_futures=True)

    async def _followed(self, promotion: Promotion) -> Move:
        """Serve what has just become champion, as far as it can be."""
        await self._models.poll()
        serving = self._models.readiness_of(promotion.family)
        return Move(promotion=promotion, served=serving.served == promotion.to_version, serving=serving)

    def _report(self, family: str, version: int) -> GateReport:
        existing = existing_versions(self._repository, family)
        if version not in existing:
            raise UnknownModelVersionError(family, version, existing)
        known = self._reports.get((family, version, self._repository.champion(family)))
        if known is not None:
            return known
        try:
            report = assess(self._repository, family, version, self._thresholds)
        except CorruptVersionError as error:
            raise VersionRefusedError(family, version, str(error)) from error
        # What was not measured may be measured later, without a new version.
        if report.comparison is not None and all(verdict.value is not None for verdict in report.verdicts):
            self._reports[(family, version, report.champion)] = report
        while len(self._reports) > _REMEMBERED_REPORTS:
            self._reports.popitem(last=False)
        return report

    async def _on_gate_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._gate, call)
