"""The journal of a tuning: one file of small JSON lines that survives a kill at any point.

DUET_HOME/studies/<name>.journal is Optuna's; beside it, <name>/ holds the checkpoint of the run under way.
"""

from __future__ import annotations

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
from core.recipes import RecipeConfig
from training.studies.places import require_room, study_folder

_DESCRIPTION = "description"


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
        CheckpointError: another process has it, or the disk refuses.
        LowDiskError: there is no room for the checkpoints of its runs.
    """
    path = journal_path(home, name)
    folder = study_folder(home, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            _heal(path)
            study = _load(path, name, create=True)
            if _DESCRIPTION not in study.user_attrs:
                study.set_user_attr(_DESCRIPTION, description.model_dump(mode="json"))
            _require_same(_description(study), description, name)
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
        ConfigurationError: there is none, or nothing in it yet.
    """
    path = journal_path(home, name)
    try:
        if not path.is_file():
            raise KeyError(name)
        study = _load(path, name, create=False)
        return Journal(study, _description(study), study_folder(home, name))
    except KeyError:
        there = sorted(found.stem for found in path.parent.glob("*.journal"))
        raise ConfigurationError(
            f"no study {name!r} in {path.parent}: there are {', '.join(there) or 'none'}"
        ) from None


def _load(path: Path, name: str, *, create: bool) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    if not create:
        return optuna.load_study(study_name=name, storage=storage)
    maximise = StudyDirection.MAXIMIZE
    return optuna.create_study(study_name=name, storage=storage, direction=maximise, load_if_exists=True)


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
