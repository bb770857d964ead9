"""Crash-safe journal of a tuning study, in JSON lines, and its trials.

DUET_HOME/studies/<name>.journal is Optuna's journal; <name>/ contains the checkpoint of the current run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from core.errors import CheckpointError, ConfigurationError
from core.recipes import RECIPES, RecipeConfig
from training.tuning.ablation.study_folder import require_room, study_folder

_DESCRIPTION = "description"
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
"""Exceptions that Optuna and pydantic raise for damaged journals and those of other releases."""
DTYPE, THREADS, SECONDS, DIVERGED = "dtype", "threads", "seconds", "diverged"
"""Names of the user attributes of a trial."""
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class EmptyJournalError(ConfigurationError):
    """The journal has no trials yet."""


class Description(BaseModel):
    """Settings and data of a tuning study, which must be the same when it is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RecipeConfig
    """Configuration of trial 0: the recipe with reduced epochs."""
    share: float
    """Fraction of the training images."""
    seed: int
    """Seed of the search; the seed of the weights is the recipe's."""
    data: str
    data_digest: str
    split_digest: str
    """Digest of the split whose train part is the share."""


@dataclass(frozen=True)
class Journal:
    """An open journal."""

    study: optuna.Study
    description: Description
    folder: Path
    """Folder of the checkpoints."""


def journal_path(home: Path, name: str) -> Path:
    """Return the path of a study's journal, which may not exist.

    Raises:
        ConfigurationError: the name is not a valid file name.
    """
    folder = study_folder(home, name)
    return folder.with_name(f"{name}.journal")


@contextmanager
def open_journal(home: Path, name: str, description: Description) -> Iterator[Journal]:
    """Open or create the journal with an exclusive lock.

    Raises:
        ConfigurationError: the journal has other settings or images; the message lists the differences.
        CheckpointError: another process has the lock, the journal is damaged or of another release, or writing failed.
        LowDiskError: there is no space for the checkpoints.
    """
    path = journal_path(home, name)
    folder = study_folder(home, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            _repair(path)
            with _readable(path):
                storage = _storage(path)
                _require_own(path, storage, name)
                study = optuna.create_study(
                    study_name=name,
                    storage=storage,
                    direction=StudyDirection.MAXIMIZE,
                    load_if_exists=True,
                )
                if _DESCRIPTION not in study.user_attrs:
                    study.set_user_attr(_DESCRIPTION, description.model_dump(mode="json"))
                stored = _description(study)
            _require_same(stored, description, name)
            yield Journal(study, description, folder)
    except Timeout:
        raise CheckpointError(f"another process is tuning {name}: wait for it, or give another --study") from None
    except OSError as error:
        raise CheckpointError(
            f"cannot write the journal {path} ({error}): free some space and run the same command again"
        ) from error


def read_journal(home: Path, name: str) -> Journal:
    """Open the journal for reading, also while a tuning is running.

    Raises:
        ConfigurationError: the journal or its recipe does not exist.
        EmptyJournalError: the journal has no trials yet.
        CheckpointError: the journal is damaged or of another release.
    """
    path = journal_path(home, name)
    if not path.is_file():
        existing = sorted(found.stem for found in path.parent.glob("*.journal"))
        raise ConfigurationError(
            f"unknown study {name!r} in {path.parent}: available studies are {', '.join(existing) or 'none'}"
        )
    with _readable(path):
        storage = _storage(path)
        _require_own(path, storage, name)
        study = optuna.load_study(study_name=name, storage=storage) if storage.get_all_studies() else None
        if study is None or _DESCRIPTION not in study.user_attrs:
            raise EmptyJournalError(f"the journal {path} has no trials yet: write the report after some have ended")
        description = _description(study)
    recipe = description.config.recipe
    if recipe not in RECIPES:
        raise ConfigurationError(
            f"the journal {path} is of the recipe {recipe!r}, which no longer exists: move the journal away"
        )
    return Journal(study, description, study_folder(home, name))


def begun_config(home: Path, name: str) -> RecipeConfig | None:
    """Return the configuration of the study, or None if it has not started.

    Raises:
        ConfigurationError, CheckpointError: as `read_journal` does.
    """
    if not journal_path(home, name).is_file():
        return None
    try:
        return read_journal(home, name).description.config
    except EmptyJournalError:
        return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert the errors of a damaged journal to CheckpointError."""
    try:
        yield
    except _DAMAGE as error:
        raise CheckpointError(
            f"the journal {path} is damaged or of another release: move it away, or give another --study"
        ) from error


def _storage(path: Path) -> JournalStorage:
    # Optuna ignores an incomplete last line, but would append the next line to it and lose both.
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(path)))


def _require_own(path: Path, storage: JournalStorage, name: str) -> None:
    for study in storage.get_all_studies():
        if study.study_name != name:
            raise ConfigurationError(
                f"the journal {path} is of the study {study.study_name!r}: rename it to that, or move it away"
            )


def _repair(path: Path) -> None:
    """Remove an incomplete last line and a stale lock, both left by a killed process or a full disk."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as stream:
                stream.truncate(whole)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _description(study: optuna.Study) -> Description:
    return Description.model_validate(study.user_attrs[_DESCRIPTION])


def _require_same(stored: Description, given: Description, name: str) -> None:
    if stored == given:
        return
    both = {key: (getattr(stored, key), getattr(given, key)) for key in Description.model_fields if key != "config"}
    both = stored.config.differences(given.config) | {key: pair for key, pair in both.items() if pair[0] != pair[1]}
    listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in both.items())
    raise ConfigurationError(
        f"the study {name!r} was started with other settings: {listed}. Give the same settings, or another --study"
    )


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete and pruned trials, ordered by number."""
    return study.get_trials(deepcopy=False, states=_FINISHED)


def baseline_trial(study: optuna.Study) -> FrozenTrial:
    """Return the trial of the unchanged recipe, which is the first finished one; there must be one.

    Its number is 0, unless the process was killed while it set up that trial.
    """
    return finished(study)[0]


def accuracies_of(trial: FrozenTrial) -> Mapping[int, float]:
    """Return the accuracy after each epoch; empty if the trial diverged."""
    return {} if DIVERGED in trial.user_attrs else trial.intermediate_values
