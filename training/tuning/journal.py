"""The journal of a tuning: one file of small JSON lines that survives a kill at any point.

DUET_HOME/studies/<name>.journal is Optuna's; beside it, <name>/ holds the checkpoint of the run under way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from pydantic import BaseModel, ConfigDict

from core.errors import CheckpointError, ConfigurationError
from core.recipes import RECIPES, RecipeConfig
from training.tuning.ablation.places import require_room, study_folder

_DESCRIPTION = "description"
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
"""What Optuna and pydantic raise of lines that are no journal's, or not this release's."""


class EmptyJournalError(ConfigurationError):
    """The journal has nothing in it yet."""


class Description(BaseModel):
    """What a tuning works on; a resumed one must have the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RecipeConfig
    """The recipe at its reduced number of epochs: trial 0."""
    share: float
    """Of the training images."""
    seed: int
    """Of the search; that of the weights is the recipe's."""
    data: str
    data_digest: str
    split_digest: str
    """Of the split whose train part is the share."""


@dataclass(frozen=True)
class Journal:
    """An open journal."""

    study: optuna.Study
    description: Description
    folder: Path
    """For the checkpoints of its runs."""


def journal_path(home: Path, name: str) -> Path:
    """The file of the tuning called `name`; it need not exist.

    Raises:
        ConfigurationError: the name could leave the folder of studies.
    """
    folder = study_folder(home, name)
    return folder.with_name(f"{name}.journal")


@contextmanager
def open_journal(home: Path, name: str, description: Description) -> Iterator[Journal]:
    """Open the journal for tuning, and make it where there is none; no other process can until it is closed.

    Raises:
        ConfigurationError: the journal belongs to other settings or images; the message lists the differences.
        CheckpointError: another process has it, the journal is damaged or of another release, or the disk refuses.
        LowDiskError: there is no room for the checkpoints of its runs.
    """
    path = journal_path(home, name)
    folder = study_folder(home, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            _heal(path)
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
            f"the journal {path} cannot be kept ({error}): free some space and give the same command again"
        ) from error


def read_journal(home: Path, name: str) -> Journal:
    """Open the journal for reading alone, be it that a tuning is under way.

    Raises:
        ConfigurationError: there is none, or its recipe is no longer there.
        EmptyJournalError: nothing is in it yet.
        CheckpointError: it is damaged or of another release.
    """
    path = journal_path(home, name)
    if not path.is_file():
        there = sorted(found.stem for found in path.parent.glob("*.journal"))
        raise ConfigurationError(f"no study {name!r} in {path.parent}: there are {', '.join(there) or 'none'}")
    with _readable(path):
        storage = _storage(path)
        _require_own(path, storage, name)
        study = optuna.load_study(study_name=name, storage=storage) if storage.get_all_studies() else None
        if study is None or _DESCRIPTION not in study.user_attrs:
            raise EmptyJournalError(f"the journal {path} has nothing in it yet: report it when trials have ended")
        description = _description(study)
    recipe = description.config.recipe
    if recipe not in RECIPES:
        raise ConfigurationError(
            f"the journal {path} is of the recipe {recipe!r}, which is no longer there: move it away"
        )
    return Journal(study, description, study_folder(home, name))


def begun_config(home: Path, name: str) -> RecipeConfig | None:
    """The configuration of the tuning called `name`, or None where none has begun.

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
    """Say of what cannot be read that it cannot, instead of how Optuna stumbled over it."""
    try:
        yield
    except _DAMAGE as error:
        raise CheckpointError(
            f"the journal {path} is damaged or of another release: move it away, or give another --study"
        ) from error


def _storage(path: Path) -> JournalStorage:
    # Optuna passes over a last line that is no JSON, but would append the next to it, and then read neither.
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(path)))


def _require_own(path: Path, storage: JournalStorage, name: str) -> None:
    for study in storage.get_all_studies():
        if study.study_name != name:
            raise ConfigurationError(
                f"the journal {path} is of the study {study.study_name!r}: give it back its name, or move the copy away"
            )


def _heal(path: Path) -> None:
    """Cut off what a kill or a full disk left of a last line, and drop a lock that the killed process held.

    Optuna reads a journal up to such a line, but would append the next one to it, and neither could be read.
    """
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
        f"the study {name!r} was begun with other settings: {listed}. Give the same, or another --study"
    )
