"""Start of a shadow trial: checks that challenger and champion can be compared on the same requests."""

from __future__ import annotations

from core.errors import UnknownVersionError
from core.repository.repository import ModelRepository
from core.trials.errors import TrialNotPossibleError
from core.trials.records import Trial, TrialPlan
from core.trials.store import TrialStore


def start_trial(repository: ModelRepository, store: TrialStore, family: str, plan: TrialPlan, *, by: str) -> Trial:
    """Start a trial of a version against the champion of its family; the running processes begin within seconds.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        TrialNotPossibleError: the family has no champion, the version is the champion, or classes or inputs differ.
        TrialRunningError: the family has a running trial.
        RepositoryError: a manifest or an alias file is damaged.
        OSError: the trial cannot be stored.
    """
    existing = repository.versions(family)
    if plan.version not in existing:
        raise UnknownVersionError(family, plan.version, existing)
    champion = repository.champion(family)
    if champion is None:
        raise TrialNotPossibleError(f"{family} has no champion that answers requests: promote a version first")
    if champion == plan.version:
        raise TrialNotPossibleError(f"{family}@{champion} is the champion: name another version as the challenger")
    old, new = repository.manifest(family, champion), repository.manifest(family, plan.version)
    for name, differs in (
        ("classes", old.class_names != new.class_names),
        ("input size", (old.input.height, old.input.width) != (new.input.height, new.input.width)),
        ("fit of images into the input", old.input.geometry != new.input.geometry),
    ):
        if differs:
            raise TrialNotPossibleError(
                f"{new.reference} and {old.reference} differ in {name}: a trial needs the same pictures and classes"
            )
    return store.start(family, champion, plan, by=by)
