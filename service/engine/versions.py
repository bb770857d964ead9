"""Version numbers of a model family in the repository."""

from __future__ import annotations

from core.errors import UnknownFamilyError
from core.repository.repository import ModelRepository
from service.errors import UnknownModelError


def existing_versions(repository: ModelRepository, family: str) -> list[int]:
    """The version numbers of a family.

    Raises:
        UnknownModelError: there is none of this name; lists those that exist.
    """
    try:
        return repository.versions(family)
    except UnknownFamilyError:
        raise UnknownModelError(family, repository.families()) from None
