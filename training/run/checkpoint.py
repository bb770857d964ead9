"""A checkpoint: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch

from core.errors import CheckpointError
from core.files.durable import atomic_replace
from core.recipes import RecipeConfig

CHECKPOINT_NAME = "checkpoint.pt"
Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class EpochRecord:
    """One line of history.jsonl. Losses are means over images, accuracies are on [0, 1].

    The training figures are running means over the epoch, on augmented images and with dropout; the validation
    figures are taken at its end. They are None when the run trains on the validation images too.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """State after `len(history)` whole epochs.

    The compute type and the number of threads chosen at the start are part of it: with others, the sums come
    out in another order and the resumed run would end elsewhere. `averaged` holds the running mean of the weights,
    where the run keeps one, and `hints` the weights of the throw-away head that predicts the teacher's features.
    `source_digest` and `torch_version` are those of the last epoch, None in checkpoints that were written before they
    were kept.
    """

    config: RecipeConfig
    data_digest: str
    split_digest: str
    dtype: Dtype
    threads: int
    network: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    averaged: dict[str, torch.Tensor] | None
    history: tuple[EpochRecord, ...]
    source_digest: str | None = None
    torch_version: str | None = None
    hints: dict[str, torch.Tensor] | None = None

    @property
    def finished(self) -> bool:
        """Whether the run has trained all its epochs."""
        return len(self.history) >= self.config.epochs


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `folder`/checkpoint.pt; a kill or a full disk leaves the previous one whole.

    Raises:
        CheckpointError: the file could not be written; the message says why and where.
    """
    content = {
        "config": checkpoint.config.model_dump(mode="json"),
        "data_digest": checkpoint.data_digest,
        "split_digest": checkpoint.split_digest,
        "dtype": checkpoint.dtype,
        "threads": checkpoint.threads,
        "network": checkpoint.network,
        "optimizer": checkpoint.optimizer,
        "averaged": checkpoint.averaged,
        "history": [asdict(record) for record in checkpoint.history],
        "source_digest": checkpoint.source_digest,
        "torch_version": checkpoint.torch_version,
        "hints": checkpoint.hints,
    }

    # In memory first: of a full disk torch's own writer says no more than that a position was not expected.
    written = BytesIO()
    torch.save(content, written)
    try:
        atomic_replace(folder / CHECKPOINT_NAME, written.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"cannot save a checkpoint in {folder}: {error}. The last good one is kept; free some space and "
            "go on with --resume"
        ) from error


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read `folder`/checkpoint.pt; only tensors and plain values are unpickled.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise CheckpointError(f"nothing to resume: {path} does not exist; start the run without --resume")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(
            config=RecipeConfig.model_validate(content["config"]),
            data_digest=content["data_digest"],
            split_digest=content["split_digest"],
            dtype=content["dtype"],
            threads=content["threads"],
            network=content["network"],
            optimizer=content["optimizer"],
            averaged=content["averaged"],
            history=tuple(EpochRecord(**record) for record in content["history"]),
            source_digest=content.get("source_digest"),
            torch_version=content.get("torch_version"),
            hints=content.get("hints"),
        )
    except Exception as error:  # torch.load has no common base for what a damaged file raises
        raise CheckpointError(
            f"{path} is damaged and cannot be resumed ({error}); start over with --restart"
        ) from error


def require_same_run(checkpoint: Checkpoint, config: RecipeConfig, data_digest: str, split_digest: str) -> None:
    """Refuse to go on with other settings or other data than the run was started with.

    Raises:
        CheckpointError: they differ; the message lists every difference.
    """
    differences = checkpoint.config.differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise CheckpointError(f"cannot resume with a different configuration: {listed}")
    if (checkpoint.data_digest, checkpoint.split_digest) != (data_digest, split_digest):
        raise CheckpointError(
            f"cannot resume on different data: the run was started on {checkpoint.data_digest[:12]} (split "
            f"{checkpoint.split_digest[:12]}), this is {data_digest[:12]} (split {split_digest[:12]})"
        )
