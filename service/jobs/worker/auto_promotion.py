"""Automatic promotion of a version that a job published, according to the job's promotion policy."""

from __future__ import annotations

from core.gate.promotion import promote_on_evidence
from core.gate.report import GateThresholds
from core.jobs.events import NotPromoted, Promoted
from core.jobs.parameters import TrainParameters
from core.jobs.records import JobRecord
from core.repository.repository import ModelRepository


class JobPromoter:
    """Promotes versions on behalf of their jobs.

    Args:
        repository: of the versions.
        thresholds: of the gate.
    """

    def __init__(self, repository: ModelRepository, thresholds: GateThresholds) -> None:
        self._repository = repository
        self._thresholds = thresholds

    def __call__(self, parameters: TrainParameters, reference: str, record: JobRecord) -> Promoted | NotPromoted:
        """Apply the gate to the version `reference`; the returned event has the gate's report.

        Raises:
            RepositoryError: the version or the aliases cannot be read, or the disk is full.
        """
        family, version = self._repository.resolve(reference)
        decision = promote_on_evidence(
            self._repository,
            family,
            version,
            policy=parameters.promote,
            thresholds=self._thresholds,
            actor=f"job {record.id}",
            reason=f"trained with promote={parameters.promote}",
        )
        report = decision.report.model_dump(mode="json")
        # An earlier attempt may have promoted the version already.
        promoted = decision.promotion is not None or self._repository.champion(family) == version
        return Promoted(report=report) if promoted else NotPromoted(report=report)
