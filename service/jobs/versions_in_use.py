"""Versions that queued and running jobs read, which must not be removed."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import ConfigurationError
from core.jobs.parameters import BatchParameters, EvaluateParameters, TrainParameters
from core.jobs.records import JobRecord, JobState
from service.jobs.store.store import JobStore

_LIVE: tuple[JobState, ...] = ("queued", "running", "cancelling")


def versions_in_use(store: JobStore) -> dict[str, str]:
    """References such as `cnn@3` that unfinished jobs read, with the id of such a job.

    Raises:
        BrokerUnavailableError: the broker cannot be used.
    """
    records = (record for state in _LIVE for record in store.list(state=state, limit=10_000).records)
    return {reference: record.id for record in records for reference in _versions_read(record)}


def _versions_read(record: JobRecord) -> Iterator[str]:
    """Versions that the job runs, or that a training needs as initial weights and as teachers."""
    match record.typed_parameters():
        case EvaluateParameters(versions=references) | BatchParameters(models=references):
            yield from references
        case TrainParameters() as parameters:
            try:
                config = parameters.config()
            except ConfigurationError:  # recorded by another release, and this one could not resume it
                return
            for reference in (config.init_from, *config.distillation.teachers):
                if reference is not None and "@" in reference:
                    yield reference
