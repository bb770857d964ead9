"""Run folder of a training run: lock, checkpoint, and the reference of the published version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError
from torch import nn

from core.errors import CheckpointError
from core.files.durable import atomic_replace, remove_temporaries
from core.files.home import LOG_NAME, MIB
from core.jobs.run_folder import (
    CHECKPOINT_NAME,
    DESCRIPTION_NAME,
    HISTORY_NAME,
    LOCK_NAME,
    PUBLISHED_NAME,
    RunDescription,
)
from core.recipes import RecipeConfig
from core.repository.manifest import MANIFEST_NAME, Manifest
from core.repository.repository import ModelRepository
from training.run.checkpoint import load_checkpoint

PUBLISHING_NAME = "publishing"
_KEPT = (LOCK_NAME, LOG_NAME)
_COPIES = 10
"""Maximum disk usage of a run, in copies of the weights: two checkpoints during replacement, each with network, weight
average and two optimizer moments (8), and a version with weights and an int8 graph (2)."""
_LOCK_SECONDS = 1.0
"""Time limit for the lock of a run folder: a reader that looks whether it is locked holds it for an instant."""
_FIXED_BYTES = 4 * MIB
"""Disk usage that does not depend on the network: history, predictions, figures."""


def require_free(run_folder: Path) -> None:
    """Check that a new run may start in the folder: it contains no unpublished run.

    Raises:
        CheckpointError: the folder contains an interrupted run.
    """
    if not (run_folder / CHECKPOINT_NAME).exists() or published_as(run_folder) is not None:
        return
    checkpoint = load_checkpoint(run_folder)
    raise CheckpointError(
        f"{run_folder} contains a run that was interrupted after epoch {len(checkpoint.history)} of "
        f"{checkpoint.config.epochs}: continue it with --resume, discard it with --restart, or use another --run NAME"
    )


def published_as(run_folder: Path) -> str | None:
    """Reference of the version published from the folder, such as `cnn@3`; None if the run is not published."""
    try:
        return (run_folder / PUBLISHED_NAME).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def mark_publishing(run_folder: Path, manifest: Manifest) -> None:
    """Record the version that is about to be published, in case of a kill before `mark_published`."""
    line = f"{manifest.reference} {hashlib.sha256(manifest.to_json().encode()).hexdigest()}\n"
    atomic_replace(run_folder / PUBLISHING_NAME, line.encode())


def recover_publishing(run_folder: Path, repository: ModelRepository) -> None:
    """Mark the run as published if it was killed after its version was put in place."""
    try:
        reference, digest = (run_folder / PUBLISHING_NAME).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return
    family, _, version = reference.partition("@")
    try:
        manifest = (repository.home_models / family / version / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return
    # The digest differs if another run has taken the version number since.
    if hashlib.sha256(manifest).hexdigest() == digest:
        mark_published(run_folder, reference)


def mark_published(run_folder: Path, reference: str) -> None:
    """Record that the run was published as `reference`."""
    atomic_replace(run_folder / PUBLISHED_NAME, f"{reference}\n".encode())


def describe_run(run_folder: Path, config: RecipeConfig, *, family: str, data: str) -> None:
    """Write the description of a run that starts or resumes; a resumed one keeps the time of its start.

    Raises:
        OSError: the file cannot be written.
    """
    path = run_folder / DESCRIPTION_NAME
    try:
        started_at = RunDescription.model_validate_json(path.read_bytes()).started_at
    except (FileNotFoundError, ValidationError):
        started_at = datetime.now(UTC)
    description = RunDescription(
        recipe=config.recipe, family=family, data=data, seed=config.seed, epochs=config.epochs, started_at=started_at
    )
    atomic_replace(path, description.model_dump_json().encode())


def room_for(network: nn.Module) -> int:
    """Maximum disk usage, in bytes, of the checkpoints and the version of a run."""
    weights: int = sum(tensor.nbytes for tensor in network.state_dict().values())
    return _COPIES * weights + _FIXED_BYTES


@contextmanager
def locked_run(run_folder: Path) -> Iterator[None]:
    """Lock a run folder against other processes and remove incomplete checkpoints; creates the folder if missing.

    Raises:
        CheckpointError: another process is training in the folder.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run_folder / LOCK_NAME).acquire(timeout=_LOCK_SECONDS):
            for name in (CHECKPOINT_NAME, HISTORY_NAME):
                remove_temporaries(run_folder / name)
            yield
    except Timeout:
        raise CheckpointError(
            f"another process is training in {run_folder}: wait for it, or use another --run NAME"
        ) from None


def clear_run(run_folder: Path) -> None:
    """Delete the files of an earlier run, except the log, which may be open. The caller must hold the lock."""
    for path in run_folder.iterdir():
        if path.name not in _KEPT:
            path.unlink()
