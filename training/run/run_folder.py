"""What a training run keeps in its folder: a lock, its checkpoint, and what it was published as."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from torch import nn

from core.errors import CheckpointError
from core.files.disk_space import MIB, require_space
from core.files.durable import atomic_replace, remove_temporaries
from core.files.run_paths import LOG_NAME
from core.repository.manifest import MANIFEST_NAME, Manifest
from core.repository.repository import ModelRepository
from training.run.checkpoint import CHECKPOINT_NAME, load_checkpoint

PUBLISHING_NAME = "publishing"
PUBLISHED_NAME = "published"
LOCK_NAME = ".lock"
_KEPT = (LOCK_NAME, LOG_NAME)
_COPIES = 10
"""Of all weights, that a run writes at most: two checkpoints while one takes the other's place, each with the network,
its running mean and two moments of the optimizer, and a version with a graph of whole numbers beside the weights."""
_OTHERS = 4 * MIB
"""Bytes for what does not grow with the network: history, answers, figures."""


def require_free(run_folder: Path) -> None:
    """Check that a new run may start in the folder: it is empty, or holds a run that was published.

    Raises:
        CheckpointError: a run that was interrupted, be it while it was being published, would be lost.
    """
    if not (run_folder / CHECKPOINT_NAME).exists() or published_as(run_folder) is not None:
        return
    checkpoint = load_checkpoint(run_folder)
    raise CheckpointError(
        f"{run_folder} holds a run that was interrupted after epoch {len(checkpoint.history)} of "
        f"{checkpoint.config.epochs}: go on with --resume, drop it with --restart, or give another --run NAME"
    )


def published_as(run_folder: Path) -> str | None:
    """The version that the run in the folder became, such as `cnn@3`, or None where it has not been published."""
    try:
        return (run_folder / PUBLISHED_NAME).read_text().strip()
    except FileNotFoundError:
        return None


def mark_publishing(run_folder: Path, manifest: Manifest) -> None:
    """Note which version the run is about to become: a kill may come between that and `mark_published`."""
    line = f"{manifest.reference} {hashlib.sha256(manifest.to_json().encode()).hexdigest()}\n"
    atomic_replace(run_folder / PUBLISHING_NAME, line.encode())


def settle_publishing(run_folder: Path, repository: ModelRepository) -> None:
    """Mark a run published that was killed when its version was in place already."""
    try:
        reference, digest = (run_folder / PUBLISHING_NAME).read_text().split()
    except FileNotFoundError:
        return
    family, _, version = reference.partition("@")
    try:
        manifest = (repository.home_models / family / version / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return
    # Another run may have been given the number since.
    if hashlib.sha256(manifest).hexdigest() == digest:
        mark_published(run_folder, reference)


def mark_published(run_folder: Path, reference: str) -> None:
    """Note that the run has become the version `reference`."""
    atomic_replace(run_folder / PUBLISHED_NAME, f"{reference}\n".encode())


def room_for(network: nn.Module) -> int:
    """Bytes that the checkpoints of this network's run, and the version that it becomes, take on the disk at most."""
    weights: int = sum(tensor.nbytes for tensor in network.state_dict().values())
    return _COPIES * weights + _OTHERS


def require_room(run_folder: Path, network: nn.Module) -> None:
    """Check that the disk has room for the checkpoints of this network's run and the version that it becomes.

    Raises:
        LowDiskError: it has not.
    """
    require_space(run_folder, room_for(network), what="a training of this network", advice="free some space first")


@contextmanager
def held(run_folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, which is made if it does not exist, and clear half a checkpoint away.

    Raises:
        CheckpointError: another process is training there.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run_folder / LOCK_NAME).acquire(timeout=0):
            remove_temporaries(run_folder / CHECKPOINT_NAME)
            yield
    except Timeout:
        raise CheckpointError(f"another process is training in {run_folder}: wait for it, or give --run NAME") from None


def clear_run(run_folder: Path) -> None:
    """Remove what a run left in its folder, save its log, which may be open; the caller holds it."""
    for path in run_folder.iterdir():
        if path.name not in _KEPT:
            path.unlink()
