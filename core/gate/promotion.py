"""Promotion through the gate: assess, decide by policy, promote, with the report in the audit trail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from core.errors import ChampionMovedError, DataError, RepositoryError
from core.gate.accuracy_floor import accuracy_floor
from core.gate.best_champion import best_champion
from core.gate.costs import measure_costs
from core.gate.decide import decide
from core.gate.error_budget import attempt_of
from core.gate.holdout import Evidence, read_evidence
from core.gate.report import GateReport, GateThresholds, Ground, Verdict
from core.gate.shared_images import pair
from core.repository.alias_files import Promotion
from core.repository.champions import promote
from core.repository.repository import ModelRepository
from core.trials.records import evidence_of
from core.trials.store import TrialStore

log = logging.getLogger("duet.gate")


def assess(repository: ModelRepository, family: str, version: int, thresholds: GateThresholds) -> GateReport:
    """Report whether a version may replace the current champion of its family; changes nothing.

    The first version of a family must pass the accuracy floor. Takes about a second: hashes and reads both versions,
    and runs both graphs.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: an alias file is damaged.
    """
    candidate = repository.verify(family, version)
    champion = repository.champion(family)
    new, old = candidate.reference, f"{family}@{champion}"

    def without_comparison(ground: Ground, summary: str, *sides: Evidence, floor: Verdict | None = None) -> GateReport:
        return GateReport(
            family=family,
            candidate=version,
            champion=champion,
            passed=ground in ("no_champion", "is_champion"),
            ground=ground,
            summary=summary,
            holdouts={side.manifest.reference: side.record for side in sides},
            comparison=None,
            verdicts=() if floor is None else (floor,),
            classes=(),
            thresholds=thresholds,
        )

    if champion is None:
        try:
            first = read_evidence(repository, candidate)
        except (DataError, RepositoryError) as error:
            return without_comparison("not_comparable", f"{new} cannot be compared with chance: {error}")
        floor = accuracy_floor(first, thresholds)
        ground: Ground = "no_champion" if floor.passed else "below_floor"
        if floor.passed:
            summary = f"{new} may be promoted: {family} has no champion, and {floor.sentence}"
        else:
            summary = f"{new} may not be promoted, although {family} has no champion: {floor.sentence}"
        return without_comparison(ground, summary, first, floor=floor)
    if champion == version:
        return without_comparison("is_champion", f"{new} is already the champion")
    sides: list[Evidence] = []
    try:
        sides = [read_evidence(repository, one) for one in (candidate, repository.verify(family, champion))]
        compared = pair(sides[0], sides[1], thresholds)
        costs = measure_costs(*sides)
    except (DataError, RepositoryError) as error:
        return without_comparison("not_comparable", f"{new} cannot be compared with {old}: {error}", *sides)
    report = decide(
        compared.other,
        compared.candidate,
        costs,
        thresholds,
        attempt=attempt_of(repository, candidate, champion, thresholds.significance),
        best=_best_so_far(repository, sides[0], champion, thresholds),
    )
    holdouts = {side.manifest.reference: side.record for side in sides}
    return report.model_copy(update={"holdouts": holdouts, "shared": compared.shared})


def _best_so_far(
    repository: ModelRepository, candidate: Evidence, champion: int, thresholds: GateThresholds
) -> tuple[Evidence, Evidence] | None:
    """The candidate and the most accurate champion so far; None if that is the champion or cannot be compared."""
    family = candidate.manifest.family
    best = best_champion(repository, family, champion)
    if best in (champion, candidate.manifest.version):
        return None
    try:
        compared = pair(candidate, read_evidence(repository, repository.verify(family, best)), thresholds)
    except (DataError, RepositoryError) as error:
        log.warning("%s@%d, the most accurate champion so far, cannot be compared: %s", family, best, error)
        return None
    return compared.candidate, compared.other


Policy = Literal["never", "if_better", "always"]


@dataclass(frozen=True)
class Decision:
    """Outcome of a promotion request; `promotion` is None if the version was not promoted."""

    report: GateReport
    promotion: Promotion | None


def promote_on_evidence(
    repository: ModelRepository,
    family: str,
    version: int,
    *,
    policy: Policy,
    thresholds: GateThresholds,
    actor: str,
    reason: str,
    force: bool = False,
) -> Decision:
    """Compare a version with the champion, and promote it if policy and report allow.

    If another promotion happens meanwhile, the version is compared again with the new champion. Takes about a second.
    The result of a shadow trial of the version against the champion is recorded beside the report, and decides nothing.

    The policy `if_better` follows the gate, `always` promotes in any case, `never` only makes the report. With `force`
    the version is promoted even if the gate refuses, which is logged; it has no effect with `never`. Actor and reason
    are for the trail.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: actor or reason is empty, or an alias file is damaged or cannot be written.
    """
    while True:
        report = assess(repository, family, version, thresholds)
        if policy == "never" or not (report.passed or force or policy == "always"):
            return Decision(report, None)
        evidence = {"policy": policy, "forced": not report.passed, "gate": report.model_dump(mode="json")}
        trial = TrialStore(repository.home_models.parent).ended(family, report.champion, version)
        if trial is not None:
            evidence["trial"] = evidence_of(*trial)
        try:
            promotion = promote(
                repository, family, version, actor=actor, reason=reason, evidence=evidence, over=report.champion
            )
        except ChampionMovedError:
            continue
        if not report.passed:
            log.warning("%s promoted %s@%d past the gate (%s): %s", actor, family, version, reason, report.summary)
        return Decision(report, promotion)
