"""Training loop: epochs of augmented batches, each followed by validation and a checkpoint.

The weights are determined by the configuration, the data, the number of threads and the number format. Random numbers
come from generators seeded with (seed, epoch), so that a run resumed on the CPU ends with the same weights as an
uninterrupted one, and checkpoints need no generator state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import ConfigurationError
from core.recipes import BackboneNetwork, RecipeConfig
from training.augment.packed_pixels import unpack
from training.fit.dtype import pick_dtype
from training.fit.estimate import duration_phrase, estimated_seconds, passes
from training.fit.init_from import load_initial
from training.fit.inputs import FitInputs
from training.fit.trainer import INITIALIZE, Trainer
from training.networks import Classifier, initialize, whiten
from training.run.checkpoint import Checkpoint, Dtype, EpochRecord, save_checkpoint
from training.run.reporter import Reporter
from training.run.rng import generator


@dataclass(frozen=True)
class FitResult:
    """A trained network in evaluation mode on the CPU, with its training history."""

    classifier: Classifier
    history: tuple[EpochRecord, ...]
    dtype: Dtype
    threads: int

    @property
    def seconds(self) -> float:
        """Wall time of all epochs, including those before an interruption."""
        return sum(record.seconds for record in self.history)


def fit(
    classifier: Classifier,
    config: RecipeConfig,
    inputs: FitInputs,
    run_folder: Path,
    *,
    reporter: Reporter,
    threads: int,
    device: torch.device,
    resume_from: Checkpoint | None = None,
    initial: Mapping[str, Tensor] | None = None,
) -> FitResult:
    """Train `classifier` in place and write a checkpoint to `run_folder` after every epoch.

    A new run initializes all weights and then replaces those in `initial`, by the names of the state dict. With
    `resume_from`, the run continues from that checkpoint with its original number of threads and number format.

    The first epoch of a pretrained network fits its last layer, see `backbone_head`. If there are validation images,
    the result has the weights of the epoch with the lowest validation loss.

    Raises:
        ConfigurationError: a pretrained network has no weights in `initial`.
        TrainingDivergedError: the loss, a weight or a logit became NaN or infinite; the last checkpoint is kept.
        CheckpointError: a checkpoint cannot be written.
    """
    if isinstance(config.network, BackboneNetwork) and resume_from is None and not initial:
        raise ConfigurationError(
            f"{config.recipe} has a pretrained network, which this command cannot train: use `duet train`"
        )
    threads = threads if resume_from is None else resume_from.threads
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # By default deterministic mode fills new tensors, for operations that read uninitialized memory. No operation here
    # does, and the fills take a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at import
    if resume_from is None:
        # On the CPU, so that the initial weights are the same for every device.
        initialize(classifier, generator(config.seed, INITIALIZE))
    trainer = Trainer(classifier, config, inputs, device)
    dtype = _start_or_restore(trainer, reporter, resume_from, initial or {})
    history = [] if resume_from is None else list(resume_from.history)
    left = config.epochs - len(history)
    if left:
        seconds = estimated_seconds(
            trainer.classifier, config, inputs.train, passes=passes(config, len(inputs.train), left), device=device
        )
        reporter.note(f"estimated time for {left:,} epochs: {duration_phrase(seconds)}")
    reporter.fit_started(
        steps=trainer.total_steps,
        done=len(history) * trainer.steps_per_epoch,
        detail=f"{len(inputs.train.labels_N):,} images, {config.epochs} epochs of {trainer.steps_per_epoch} steps, "
        f"{threads} threads, {dtype}, {device}",
    )
    try:
        for epoch in range(len(history), config.epochs):
            history.append(trainer.epoch(epoch, dtype, reporter))
            trainer.keep_best(history)
            checkpoint = _checkpoint(trainer, inputs, history, dtype, threads)
            reporter.writing("checkpoint")
            save_checkpoint(run_folder, checkpoint)
            reporter.epoch(history[-1], config.epochs)
    finally:
        reporter.fit_ended()
    trainer.restore_best()
    return FitResult(trainer.result.cpu().eval(), tuple(history), dtype, threads)


def _checkpoint(
    trainer: Trainer, inputs: FitInputs, history: Sequence[EpochRecord], dtype: Dtype, threads: int
) -> Checkpoint:
    return Checkpoint(
        config=trainer.config,
        data_digest=inputs.data_digest,
        split_digest=inputs.split_digest,
        dtype=dtype,
        threads=threads,
        network=trainer.classifier.state_dict(),
        optimizer=trainer.optimizer.state_dict(),
        averaged=None if trainer.ema is None else trainer.ema.classifier.state_dict(),
        history=tuple(history),
        source_digest=inputs.source_digest,
        torch_version=str(torch.__version__),
        hints=None if trainer.hints is None else trainer.hints.state_dict(),
        best=trainer.best,
    )


def _start_or_restore(
    trainer: Trainer, reporter: Reporter, checkpoint: Checkpoint | None, initial: Mapping[str, Tensor]
) -> Dtype:
    """Load the checkpoint, or complete the initialization of a new run; returns the number format of the run."""
    if checkpoint is not None:
        trainer.classifier.load_state_dict(checkpoint.network)
        trainer.optimizer.load_state_dict(checkpoint.optimizer)
        if trainer.hints is not None and checkpoint.hints is not None:
            trainer.hints.load_state_dict(checkpoint.hints)
        if trainer.ema is not None and checkpoint.averaged is not None:
            trainer.ema.classifier.load_state_dict(checkpoint.averaged)
        trainer.best = checkpoint.best
        reporter.note(f"resuming after epoch {len(checkpoint.history)} of {trainer.config.epochs}")
        return checkpoint.dtype
    whiten(trainer.classifier, unpack(trainer.batches.images_NHW))
    load_initial(trainer.classifier, initial)
    if trainer.ema is not None:
        trainer.ema.classifier.load_state_dict(trainer.classifier.state_dict())
    if trainer.config.precision != "auto":
        return trainer.config.precision
    return pick_dtype(trainer.device)
