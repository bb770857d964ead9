"""Errors of shadow trials."""

from __future__ import annotations

from core.errors import RepositoryError


class TrialRunningError(RepositoryError):
    """The family already has a running trial."""

    def __init__(self, family: str, trial: str) -> None:
        super().__init__(f"trial {trial} of {family} is running: end it first, or wait for its verdict", trial=trial)


class TrialNotPossibleError(RepositoryError):
    """The version cannot be compared with the champion on live requests."""


class NoTrialError(RepositoryError):
    """The family has no trial."""

    def __init__(self, family: str) -> None:
        super().__init__(f"{family} has no shadow trial: start one with POST /models/{family}/shadow")
