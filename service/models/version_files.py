"""Files of a version: model card, figures, evaluations, and the integrity check of all files."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from core.errors import explain
from core.repository.evaluation import EVALUATION_NAME, EvaluationRecord, list_records, read_evaluation
from core.repository.integrity import file_problem
from core.repository.manifest import CARD_NAME, FIGURES, Manifest
from core.repository.repository import ModelRepository
from core.schemas.models import EvaluationPage, FileCheck, VersionCheck, VersionEvaluation
from service.errors import InvalidParametersError, NoSuchVersionFileError, VersionRefusedError


def read_card(repository: ModelRepository, manifest: Manifest) -> bytes:
    """The model card, Markdown in UTF-8; see `read_figure` for errors."""
    return _read(repository, manifest, CARD_NAME)


def read_figure(repository: ModelRepository, manifest: Manifest, figure: str) -> bytes:
    """A figure of the model card, as PNG.

    Raises:
        NoSuchVersionFileError: the manifest lists no such figure.
        VersionRefusedError: the file differs from its record in the manifest.
    """
    return _read(repository, manifest, f"{FIGURES}/{figure}")


def find_file(repository: ModelRepository, manifest: Manifest, name: str) -> Path:
    """Compare a file of the version with the manifest, and return its path; see `read_figure` for errors."""
    record = manifest.files.get(name)
    if record is None:
        raise NoSuchVersionFileError(manifest.reference, name)
    folder = repository.folder(manifest.family, manifest.version)
    problem = file_problem(folder, name, record)
    if problem is not None:
        raise VersionRefusedError(manifest.family, manifest.version, f"{manifest.reference}: {name}: {problem}")
    return folder / name


def check_files(repository: ModelRepository, manifest: Manifest) -> VersionCheck:
    """Compare all files of a version with the hashes in the manifest."""
    folder = repository.folder(manifest.family, manifest.version)
    files = tuple(
        FileCheck(name=name, bytes=record.bytes, sha256=record.sha256, problem=file_problem(folder, name, record))
        for name, record in sorted(manifest.files.items())
    )
    return VersionCheck(
        model=manifest.family,
        version=manifest.version,
        intact=not any(file.problem for file in files),
        files=files,
    )


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
    _read(repository, manifest, EVALUATION_NAME)
    try:
        evaluation = read_evaluation(repository.folder(manifest.family, manifest.version))
    except ValidationError as error:
        reason = f"{manifest.reference}: {EVALUATION_NAME}: {explain(error)}"
        raise VersionRefusedError(manifest.family, manifest.version, reason) from error
    return [VersionEvaluation(job=None, created_at=manifest.created_at, evaluation=evaluation, differences=None)]


def _of_job(record: EvaluationRecord) -> VersionEvaluation:
    return VersionEvaluation(
        job=record.job, created_at=record.created_at, evaluation=record.evaluation, differences=record.differences
    )


def _read(repository: ModelRepository, manifest: Manifest, name: str) -> bytes:
    return find_file(repository, manifest, name).read_bytes()
