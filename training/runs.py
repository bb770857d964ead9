"""The folders of training runs under DUET_HOME/runs: one per run, with its checkpoint."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from core.errors import CheckpointError, ConfigurationError
from training.checkpoint import CHECKPOINT_NAME, load_checkpoint

RUNS_NAME = "runs"


def named_run(home: Path, name: str) -> Path:
    """The folder of the run called `name`; it need not exist.

    Raises:
        ConfigurationError: the name could leave the folder of runs.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(f"{name!r} cannot name a run: use letters, digits, dots, - and _, a letter first")
    return home / RUNS_NAME / name


def require_free(run_folder: Path) -> None:
    """Check that a new run may start in the folder: it is empty, or holds a run that finished.

    Raises:
        CheckpointError: an interrupted run would be lost.
    """
    if not (run_folder / CHECKPOINT_NAME).exists():
        return
    checkpoint = load_checkpoint(run_folder)
    if not checkpoint.finished:
        raise CheckpointError(
            f"{run_folder} holds a run that was interrupted after epoch {len(checkpoint.history)} of "
            f"{checkpoint.config.epochs}: go on with --resume, drop it with --restart, or give another --run NAME"
        )


def drop_run(run_folder: Path) -> None:
    """Remove a run's folder, if there is one."""
    if run_folder.exists():
        shutil.rmtree(run_folder)
