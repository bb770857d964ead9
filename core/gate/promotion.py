"""Promotion on evidence: judge -> decide -> promote, with the report in the audit trail."""

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
    """What became of a version that was put forward.

    Attributes:
        report: what the gate found.
        promotion: the move that was made; None where the version was not promoted.
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
    """Judge a version against the champion, and make it champion where the policy and the report say so.

    Of two promotions at once, the second is judged again, against what the first has made champion. Blocks for about
    a second.

    Args:
        repository: where the version lies.
        family: of the version.
        version: to be promoted.
        policy: `if_better` asks the gate, `always` promotes whatever it says, `never` only has it look.
        thresholds: of the gate.
        actor: who does it, for the trail.
        reason: why, for the trail.
        force: promote although the gate refuses, which is logged; `never` stays never.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: actor or reason is empty, an alias file is damaged, or the disk refused.
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
