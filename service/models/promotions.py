"""Promotions, rollbacks and deletions: runs the gate, moves the champion, and loads or unloads it in this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from core.errors import CorruptVersionError, UnknownVersionError
from core.gate.promotion import assess, promote_on_evidence
from core.gate.report import GateReport, GateThresholds
from core.repository.alias_files import Promotion
from core.repository.champions import archive, history, rollback, shipped_history
from core.repository.deletion import delete_family, delete_version
from core.repository.repository import ModelRepository
from core.schemas.models import Deletion, GatedMove, Move, PromotionPage
from service.engine.model_manager import ModelManager
from service.errors import (
    DeadlineExceededError,
    GateRefusedError,
    VersionInUseError,
    VersionRefusedError,
)
from service.errors.hidden_paths import hide_repository_paths

log = logging.getLogger("duet.models")
Record = TypeVar("Record", Promotion, GateReport)
Result = TypeVar("Result")
_CACHED_REPORTS = 64


class Promotions:
    """Promotion service, used from one event loop. The gate runs on one thread, one request at a time."""

    def __init__(self, repository: ModelRepository, models: ModelManager, thresholds: GateThresholds) -> None:
        self._repository = repository
        self._models = models
        self._thresholds = thresholds
        self._gate = ThreadPoolExecutor(1, thread_name_prefix="gate")
        self._reports: OrderedDict[tuple[str, int, int | None], GateReport] = OrderedDict()

    async def preview(self, family: str, version: int, *, deadline: float) -> GateReport:
        """Report of the gate for a version against the current champion; changes nothing.

        Complete reports are cached, because versions never change.

        Args:
            family: model family.
            version: candidate version.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version.
            VersionRefusedError: the files of the version differ from its manifest.
            DeadlineExceededError: the deadline passed before the report was ready.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await self._on_gate_thread(partial(self._report, family, version))
        except TimeoutError:
            raise DeadlineExceededError(
                "the gate report was not ready before the deadline of the request: try again later"
            ) from None

    async def promote(self, family: str, version: int, *, actor: str, reason: str, force: bool) -> GatedMove:
        """Make a version the champion if it passes the gate or if `force` is set. There is no deadline.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version.
            VersionRefusedError: the files of the version differ from its manifest, or it cannot be run.
            GateRefusedError: the version does not pass.
        """
        await self._models.find(family, version)  # a version that cannot be served must not become champion
        decide = partial(
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
            decision = await self._on_gate_thread(decide)
        except CorruptVersionError as error:
            raise VersionRefusedError(family, version, str(error)) from error
        if decision.promotion is None:
            raise GateRefusedError(decision.report)  # the handler of errors hides paths
        move = await self._serve(decision.promotion)
        return GatedMove(**dict(move), gate=self._without_paths(decision.report))

    async def rollback(self, family: str, *, actor: str, reason: str) -> Move:
        """Return to the previous champion.

        Raises:
            UnknownFamilyError: no such family.
            NothingToRollBackError: no earlier champion can be served.
        """
        await asyncio.to_thread(self._repository.versions, family)
        promotion = await asyncio.to_thread(rollback, self._repository, family, actor=actor, reason=reason)
        return await self._serve(promotion)

    async def archive(self, family: str, *, actor: str, reason: str) -> Move:
        """Leave a family without champion and stop serving it.

        Raises:
            UnknownFamilyError: no such family.
            NoChampionError: it has no champion.
            ShippedVersionError: it ships with the project.
        """
        await asyncio.to_thread(self._repository.versions, family)
        return await self._serve(await asyncio.to_thread(archive, self._repository, family, actor=actor, reason=reason))

    async def delete(
        self, family: str, version: int | None, *, in_use: Mapping[str, str], actor: str, reason: str
    ) -> Deletion:
        """Delete a version, or all versions of a family that has no champion, and unload them.

        Args:
            family: model family.
            version: None for the whole family.
            in_use: versions that jobs read, with the id of the job.
            actor: for the audit trail.
            reason: for the audit trail.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version.
            VersionInUseError: a job reads the version.
            ChampionDeletionError: it is the champion.
            ShippedVersionError: it ships with the project.
            TrialRunningError: it is the challenger of a running shadow trial.
        """
        existing = await asyncio.to_thread(self._repository.versions, family)
        if version is not None and version not in existing:
            raise UnknownVersionError(family, version, existing)
        for number in existing if version is None else [version]:
            if f"{family}@{number}" in in_use:
                raise VersionInUseError(f"{family}@{number}", in_use[f"{family}@{number}"])
        entries = await asyncio.to_thread(
            partial(_delete, self._repository, family, version, actor=actor, reason=reason)
        )
        await self._models.poll()
        deleted = tuple(f"{entry.family}@{entry.from_version}" for entry in entries)
        log.warning("deleted %s (%s)", ", ".join(deleted), reason, extra={"actor": actor})
        return Deletion(deleted=deleted, entries=tuple(entries))

    def page(self, family: str, *, limit: int, cursor: int | None) -> PromotionPage:
        """Read a page of the audit trail of a family from disk, newest first, with the entries before `cursor`.

        The last page also has the entries of the shipped trail.

        Raises:
            UnknownFamilyError: the family has neither an entry nor a version.
        """
        entries = [entry for entry in history(self._repository) if entry.family == family]
        if not entries:
            self._repository.versions(family)
        older = [entry for entry in reversed(entries) if cursor is None or entry.entry < cursor]
        is_last = len(older) <= limit
        return PromotionPage(
            promotions=tuple(map(self._without_paths, older[:limit])),
            next_cursor=None if is_last else older[limit - 1].entry,
            shipped=tuple(reversed(shipped_history(self._repository, family))) if is_last else (),
        )

    def close(self) -> None:
        """Finish the running gate decision and stop the thread."""
        self._gate.shutdown(wait=True, cancel_futures=True)

    async def _serve(self, promotion: Promotion) -> Move:
        """Load the new champion, if there is one, and report whether it is served."""
        await self._models.poll()
        serving = self._models.readiness_of(promotion.family)
        served = promotion.to_version is not None and serving.served == promotion.to_version
        return Move(promotion=self._without_paths(promotion), served=served, serving=serving)

    def _report(self, family: str, version: int) -> GateReport:
        existing = self._repository.versions(family)
        if version not in existing:
            raise UnknownVersionError(family, version, existing)
        known = self._reports.get((family, version, self._repository.champion(family)))
        if known is not None:
            return known
        try:
            report = self._without_paths(assess(self._repository, family, version, self._thresholds))
        except CorruptVersionError as error:
            raise VersionRefusedError(family, version, str(error)) from error
        # Incomplete reports are not cached: missing measurements may be added later.
        if report.comparison is not None and all(verdict.value is not None for verdict in report.verdicts):
            self._reports[(family, version, report.champion)] = report
        while len(self._reports) > _CACHED_REPORTS:
            self._reports.popitem(last=False)
        return report

    def _without_paths(self, record: Record) -> Record:
        """The record without paths of the server; the reason against a comparison may contain some."""
        return type(record).model_validate(hide_repository_paths(record.model_dump(mode="json"), self._repository))

    async def _on_gate_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._gate, call)


def _delete(
    repository: ModelRepository, family: str, version: int | None, *, actor: str, reason: str
) -> list[Promotion]:
    if version is None:
        return delete_family(repository, family, actor=actor, reason=reason)
    return [delete_version(repository, family, version, actor=actor, reason=reason)]
