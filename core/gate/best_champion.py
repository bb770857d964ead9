"""Most accurate champion so far, the reference for non-inferiority.

Compared with the last champion only, a sequence of cheaper versions could lose the non-inferiority margin again with
each promotion. The report in the audit trail of each promotion names the most accurate champion until then.
"""

from __future__ import annotations

from pydantic import ValidationError

from core.gate.report import GateReport
from core.repository.champions import history, shipped_history
from core.repository.repository import ModelRepository


def best_champion(repository: ModelRepository, family: str, champion: int) -> int:
    """The most accurate champion until now, by the report of the last promotion of the version `champion`.

    It is `champion` itself if that was not compared when it was promoted, or if the other version was deleted.

    Raises:
        RepositoryError: the audit trail is damaged.
    """
    entries = shipped_history(repository) + history(repository)
    for entry in reversed(entries):
        if (entry.family, entry.action, entry.to_version) == (family, "promote", champion):
            best = _report_of(entry.evidence)
            return best if best in repository.numbers(family) else champion
    return champion


def _report_of(evidence: dict[str, object] | None) -> int | None:
    """`best_after` of the report of a trail entry; None without one, or if another release wrote it."""
    try:
        return GateReport.model_validate((evidence or {})["gate"]).best_after
    except (KeyError, ValidationError):
        return None
