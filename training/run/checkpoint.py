"""Checkpoints: the complete state of a training run, so that a resumed run ends like an uninterrupted one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError

from core.errors import CheckpointError, explain
from core.files.durable import atomic_replace
from core.jobs.run_folder import CHECKPOINT_NAME, HISTORY_NAME
from core.recipes import RecipeConfig

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class EpochRecord:
    """Metrics of one epoch: a line of history.jsonl. Losses are means over images, accuracies are in [0, 1].

    Training metrics are means over the epoch, on augmented images and with dropout. Validation metrics are measured at
    its end; they are None for a run that trains on the validation images. `plain_accuracy` is measured in the same way
    on 2,000 unchanged training images; its gap to the validation accuracy shows overfitting. Older runs lack it.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    plain_accuracy: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """State after `len(history)` complete epochs.

    Attributes:
        config: the recipe.
        data_digest: digest of the data set.
        split_digest: digest of the split.
        dtype: number format; kept on resume, because it influences the weights.
        threads: number of CPU threads; kept on resume, because it influences the order of sums.
        network: state dict of the network.
        optimizer: state dict of the optimizer.
        averaged: state dict of the weight average; None without averaging.
        history: metrics of the epochs.
        source_digest: digest of the source code of the last epoch.
        torch_version: torch version of the last epoch.
        hints: state dict of the hint head; None without hints.
        best: state dict of the epoch with the lowest validation loss, for a pretrained network; None otherwise.
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
    source_digest: str
    torch_version: str
    hints: dict[str, torch.Tensor] | None
    best: dict[str, torch.Tensor] | None = None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `folder`/checkpoint.pt atomically: a kill or a full disk leaves the previous checkpoint intact.

    The history is also written to `folder`/history.jsonl, for readers without torch.

    Raises:
        CheckpointError: the file cannot be written; the message contains the reason and the path.
    """
    content = {field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)}
    content["config"] = checkpoint.config.model_dump(mode="json")
    content["history"] = [asdict(record) for record in checkpoint.history]
    # In memory first: torch's own writer does not report the OSError of a full disk.
    written = BytesIO()
    torch.save(content, written)
    try:
        atomic_replace(folder / CHECKPOINT_NAME, written.getbuffer())
        atomic_replace(folder / HISTORY_NAME, history_lines(checkpoint.history).encode())
    except OSError as error:
        raise CheckpointError(
            f"cannot save a checkpoint in {folder}: {error}. The previous one is kept: free some disk space and "
            "continue with --resume"
        ) from error


def history_lines(history: Sequence[EpochRecord]) -> str:
    """The content of a history.jsonl."""
    return "".join(json.dumps(asdict(record)) + "\n" for record in history)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read `folder`/checkpoint.pt. Only tensors and plain values are unpickled, so loading runs no code.

    Raises:
        CheckpointError: the file does not exist, is damaged, or was written by another release.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise CheckpointError(f"nothing to resume: {path} does not exist. Start the run without --resume")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the errors of torch.load for damaged files have no common base class
        raise CheckpointError(
            f"cannot resume from {path}, which is damaged ({error}): start over with --restart"
        ) from error
    try:
        content["config"] = RecipeConfig.model_validate(content["config"])
        content["history"] = tuple(EpochRecord(**record) for record in content["history"])
        return Checkpoint(**content)
    except (KeyError, TypeError, ValueError) as error:
        detail = explain(error, at_most=1) if isinstance(error, ValidationError) else error
        raise CheckpointError(
            f"cannot resume from {path}: its format is that of another release ({detail}). Continue with that release, "
            "or start over with --restart"
        ) from error


def require_same_run(checkpoint: Checkpoint, config: RecipeConfig, data_digest: str, split_digest: str) -> None:
    """Check that configuration and data are those of the checkpoint.

    Raises:
        CheckpointError: they differ; the message lists every difference.
    """
    differences = checkpoint.config.differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise CheckpointError(
            f"cannot resume with a different configuration: {listed}. Use the same settings, or --restart"
        )
    if (checkpoint.data_digest, checkpoint.split_digest) != (data_digest, split_digest):
        raise CheckpointError(
            f"cannot resume on different data: the run was started on {checkpoint.data_digest[:12]} (split "
            f"{checkpoint.split_digest[:12]}), this is {data_digest[:12]} (split {split_digest[:12]}). Use the same "
            "data, or --restart"
        )
