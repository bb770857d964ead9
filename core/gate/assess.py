"""Gate report for two versions of a repository: read both, check that they are comparable, measure, decide."""

from __future__ import annotations

from core.errors import DataError, RepositoryError
from core.gate.costs import measure_costs
from core.gate.decide import decide
from core.gate.holdout import Evidence, read_evidence
from core.gate.report import GateReport, Ground
from core.gate.thresholds import GateThresholds
from core.repository.repository import ModelRepository


def assess(repository: ModelRepository, family: str, version: int, thresholds: GateThresholds) -> GateReport:
    """Report whether a version may replace the current champion of its family; changes nothing.

    Takes about a second: hashes and reads both versions, and runs both graphs.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: an alias file is damaged.
    """
    candidate = repository.verify(family, version)
    champion = repository.champion(family)
    new, old = candidate.reference, f"{family}@{champion}"

    def without_comparison(ground: Ground, summary: str, *sides: Evidence) -> GateReport:
        return GateReport(
            family=family,
            candidate=version,
            champion=champion,
            passed=ground in ("no_champion", "is_champion"),
            ground=ground,
            summary=summary,
            holdouts={side.manifest.reference: side.record for side in sides},
            comparison=None,
            verdicts=(),
            classes=(),
            thresholds=thresholds,
        )

    if champion is None:
        return without_comparison("no_champion", f"{new} may be promoted: {family} has no champion")
    if champion == version:
        return without_comparison("is_champion", f"{new} is already the champion")
    sides: list[Evidence] = []
    try:
        sides = [read_evidence(repository, one) for one in (candidate, repository.verify(family, champion))]
        require_comparable(*sides)
        costs = measure_costs(*sides)
    except (DataError, RepositoryError) as error:
        return without_comparison("not_comparable", f"{new} cannot be compared with {old}: {error}", *sides)
    return decide(sides[1], sides[0], costs, thresholds)


def require_comparable(candidate: Evidence, champion: Evidence) -> None:
    """Raise a DataError unless both versions have the same classes and holdout images."""
    new, old = candidate.record, champion.record
    if new.class_names != old.class_names:
        raise DataError(f"their classes differ ({', '.join(new.class_names)}; {', '.join(old.class_names)})")
    if new.digest != old.digest:
        raise DataError(
            f"they were evaluated on different holdouts, {candidate.manifest.reference} on {new.images:,} images of "
            f"{new.name} (digest {new.digest}), {champion.manifest.reference} on {old.images:,} images of {old.name} "
            f"(digest {old.digest})"
        )
