"""Most accurate champion so far, the reference for non-inferiority.

If versions were only compared with the last champion, a sequence of cheaper versions could lose up to the
non-inferiority margin with each promotion. The report of each promotion in the audit trail names the most accurate
champion until then.
"""

from __future__ import annotations

from pydantic import ValidationError

from core.gate.report import GateReport
from core.repository.champions import history, shipped_history
from core.repository.repository import ModelRepository


def best_champion(repository: ModelRepository, family: str, champion: int) -> int:
    """The most accurate champion until now, by the report of the last promotion of the version `champion`.

    This is `champion` itself if it was promoted without a comparison, or if the more accurate version was deleted.

    Raises:
        RepositoryError: the audit trail is damaged.
    """
    entries = shipped_history(repository) + history(repository)
    for entry in reversed(entries):
        if (entry.family, entry.action, entry.to_version) == (family, "promote", champion):
            best = _best_after(entry.evidence)
            return best if best in repository.numbers(family) else champion
    return champion


def _best_after(evidence: dict[str, object] | None) -> int | None:
    """`best_after` of the report in a trail entry; None without a report, or if another release wrote it."""
    try:
        return GateReport.model_validate((evidence or {})["gate"]).best_after
    except (KeyError, ValidationError):
        return None
