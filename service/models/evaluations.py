"""Evaluations of a version: the published one and the records of later jobs."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from core.errors import explain
from core.repository.evaluation import EVALUATION_NAME, EvaluationRecord, list_records, read_evaluation
from core.repository.integrity import file_problems
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from core.schemas.models import EvaluationPage, VersionEvaluation
from service.errors import InvalidParametersError, VersionRefusedError


def evaluations_of(
    repository: ModelRepository, home: Path, manifest: Manifest, *, limit: int, cursor: str | None
) -> EvaluationPage:
    """A page of evaluations: the published one, if any, then those of jobs, newest first. Reads the disk.

    Args:
        repository: repository of the version.
        home: folder of the evaluation records.
        manifest: manifest of the version.
        limit: maximum number of evaluations on the page.
        cursor: `next_cursor` of the previous page; None for the first page.

    Raises:
        InvalidParametersError: the cursor is unknown.
        VersionRefusedError: the published evaluation differs from its record in the manifest.
        RepositoryError: a record is damaged.
    """
    records = list_records(home, manifest.family, manifest.version)
    found = [*_published(repository, manifest), *map(_of_job, records)]
    if cursor is not None:
        positions = [position for position, one in enumerate(found) if _cursor(one) == cursor]
        if not positions:
            raise InvalidParametersError([("cursor", "unknown cursor: start again without it")])
        found = found[positions[0] + 1 :]
    return EvaluationPage(
        model=manifest.family,
        version=manifest.version,
        evaluations=tuple(found[:limit]),
        next_cursor=_cursor(found[limit - 1]) if len(found) > limit else None,
    )


def _cursor(evaluation: VersionEvaluation) -> str:
    return evaluation.job or "published"


def _published(repository: ModelRepository, manifest: Manifest) -> list[VersionEvaluation]:
    if EVALUATION_NAME not in manifest.files:
        return []
    folder = repository.folder(manifest.family, manifest.version)
    read = manifest.model_copy(update={"files": {EVALUATION_NAME: manifest.files[EVALUATION_NAME]}})
    problems = file_problems(folder, read)
    try:
        if problems:
            raise VersionRefusedError(manifest.family, manifest.version, f"{manifest.reference}: {'; '.join(problems)}")
        evaluation = read_evaluation(folder)
    except ValidationError as error:
        reason = f"{manifest.reference}: {EVALUATION_NAME}: {explain(error)}"
        raise VersionRefusedError(manifest.family, manifest.version, reason) from error
    return [VersionEvaluation(job=None, created_at=manifest.created_at, evaluation=evaluation, differences=None)]


def _of_job(record: EvaluationRecord) -> VersionEvaluation:
    return VersionEvaluation(
        job=record.job, created_at=record.created_at, evaluation=record.evaluation, differences=record.differences
    )
