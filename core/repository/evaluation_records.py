"""Evaluation records: evaluations that jobs made of published versions.

They are stored as DUET_HOME/evaluations/<family>/<version>/<job id>.json. The version and its evaluation.json never
change.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import CorruptEvaluationError, RepositoryError, UnknownEvaluationError, explain
from core.files.durable import atomic_replace
from core.repository.evaluation import Evaluation
from core.repository.manifest import FAMILY_PATTERN

EVALUATIONS_NAME = "evaluations"
JOB_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class EvaluationRecord(BaseModel):
    """Evaluation of one version by one job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    job: str = Field(pattern=JOB_PATTERN, description="id of the job that made the record")
    family: str = Field(pattern=FAMILY_PATTERN)
    version: int = Field(ge=1)
    created_at: datetime
    data: str = Field(description="data set of the job, such as cifar10 or folder:pets")
    evaluation: Evaluation
    differences: tuple[str, ...] | None = Field(
        description="figures that differ from the version's evaluation.json; empty if all were reproduced, null if "
        "that evaluation used other images"
    )


def write_record(home: Path, record: EvaluationRecord) -> Path:
    """Write the record atomically; a record of the same job and version is replaced.

    Raises:
        RepositoryError: the file cannot be written; an old record is kept.
    """
    folder = _folder(home, record.family, record.version)
    path = folder / f"{record.job}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_replace(path, record.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise RepositoryError(f"cannot write the evaluation to {path}: {error.strerror}") from error
    return path


def list_records(home: Path, family: str, version: int) -> list[EvaluationRecord]:
    """All records of a version, newest first.

    Raises:
        CorruptEvaluationError: a file is not a record; the message has its path.
    """
    try:
        with os.scandir(_folder(home, family, version)) as entries:
            jobs = [entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")]
    except FileNotFoundError:
        return []
    records = [read_record(home, family, version, job) for job in jobs if re.fullmatch(JOB_PATTERN, job)]
    return sorted(records, key=lambda record: (record.created_at, record.job), reverse=True)


def read_record(home: Path, family: str, version: int, job: str) -> EvaluationRecord:
    """Read the record of one job for a version.

    Raises:
        UnknownEvaluationError: there is none.
        CorruptEvaluationError: the file is not a record.
    """
    path = _folder(home, family, version) / f"{job}.json"
    unknown = UnknownEvaluationError(f"no evaluation of {family}@{version} by a job {job[:100]!r}")
    if re.fullmatch(JOB_PATTERN, job) is None:
        raise unknown
    try:
        return EvaluationRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise unknown from None
    except ValidationError as error:
        raise CorruptEvaluationError(f"{path} is not an evaluation record: {explain(error)}") from error


def _folder(home: Path, family: str, version: int) -> Path:
    return home / EVALUATIONS_NAME / family / str(version)
