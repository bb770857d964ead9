"""Comparable versions: those with the same classes that were evaluated on the same test images."""

from __future__ import annotations

from pydantic import ValidationError

from core.comparison.evaluated import EvaluatedVersion
from core.errors import RepositoryError
from core.repository.evaluation import read_evaluation
from core.repository.repository import ModelRepository

MAX_NAMED = 5


def comparable_versions(repository: ModelRepository, version: EvaluatedVersion) -> tuple[str, ...]:
    """References of up to five versions that `version` can be compared with, the newest of each family first.

    Versions that cannot be read are left out.
    """
    ranked = [
        (age, family, number)
        for family in repository.families()
        for age, number in enumerate(sorted(repository.versions(family), reverse=True))
    ]
    found: list[str] = []
    for _, family, number in sorted(ranked):
        reference = f"{family}@{number}"
        if reference != version.manifest.reference and _comparable(repository, family, number, version):
            found.append(reference)
        if len(found) == MAX_NAMED:
            break
    return tuple(found)


def _comparable(repository: ModelRepository, family: str, number: int, version: EvaluatedVersion) -> bool:
    try:
        if repository.manifest(family, number).class_names != version.evaluation.class_names:
            return False
        return read_evaluation(repository.folder(family, number)).data == version.evaluation.data
    except (RepositoryError, OSError, ValidationError):
        return False
