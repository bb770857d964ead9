"""Promotion through the gate: assess, decide by policy, promote, with the report in the audit trail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from core.errors import ChampionMovedError
from core.gate.assess import assess
from core.gate.report import GateReport
from core.gate.thresholds import GateThresholds
from core.repository.alias_files import Promotion
from core.repository.champions import promote
from core.repository.repository import ModelRepository

Policy = Literal["never", "if_better", "always"]

log = logging.getLogger("duet.gate")


@dataclass(frozen=True)
class Decision:
    """Outcome of a promotion request.

    Attributes:
        report: of the gate.
        promotion: the recorded promotion; None if the version was not promoted.
    """

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

    Args:
        repository: that has the version.
        family: of the version.
        version: to be promoted.
        policy: `if_better` follows the gate, `always` promotes in any case, `never` only makes the report.
        thresholds: of the gate.
        actor: who promotes, for the trail.
        reason: for the trail.
        force: promote even if the gate refuses, which is logged; no effect with `never`.

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
        try:
            promotion = promote(
                repository, family, version, actor=actor, reason=reason, evidence=evidence, over=report.champion
            )
        except ChampionMovedError:
            continue
        if not report.passed:
            log.warning("%s promoted %s@%d past the gate (%s): %s", actor, family, version, reason, report.summary)
        return Decision(report, promotion)
