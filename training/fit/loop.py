"""Training loop: epochs of augmented batches, each followed by validation and a checkpoint.

The weights are determined by the configuration, the data, the number of threads and the number format. Random numbers
come from generators seeded with (seed, epoch), so that a run resumed on the CPU ends with the same weights as an
uninterrupted one, and checkpoints need no generator state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.recipes import RecipeConfig
from training.augment.batches import Batch, Batches
from training.augment.packed_pixels import unpack
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.split_dataset import Images, trained_on
from training.data.types import LabelledImages
from training.fit.divergence import require_finite, require_finite_weights
from training.fit.dtype import autocast, pick_dtype
from training.fit.estimate import described, estimated_seconds
from training.fit.hints import capture_features, hint_head
from training.fit.init_from import load_initial
from training.fit.losses import training_loss
from training.fit.optimizers import WeightEMA, build_optimizer, learning_rate, set_learning_rate
from training.fit.sampling import epoch_order
from training.fit.validation import score
from training.networks import Classifier, initialize, whiten
from training.networks.layers import seed_dropout
from training.networks.whitened import freeze_whitening_bias
from training.run.checkpoint import Checkpoint, Dtype, EpochRecord, save_checkpoint
from training.run.reporter import Reporter
from training.run.rng import generator

_PLAIN = 2_000
"""Number of unchanged training images for the accuracy after each epoch; they take 1 to 2 % of an epoch."""
_PROBED = 2
"""Number of images whose logits are checked after an epoch without validation."""
_STEPS_BETWEEN_REPORTS = 20
"""On a CUDA device, where reading the loss synchronizes; 1 on the CPU."""
_INITIALIZE, _EPOCH, _MIRROR, _ORDER = 0, 1, 2, 3


@dataclass(frozen=True)
class FitInputs:
    """Data of a run. The digests are stored in checkpoints.

    Attributes:
        train: training images.
        validation: validation images; None if the run trains on them.
        classes: number of classes, K.
        source_digest: digest of the source code; empty for runs that are never published.
        teacher: the teacher's soft labels, one element per round; None without distillation.
    """

    train: LabelledImages
    validation: LabelledImages | None
    classes: int
    data_digest: str
    split_digest: str
    source_digest: str = ""
    teacher: Sequence[RoundSoftLabels] | None = None

    @classmethod
    def of(cls, config: RecipeConfig, images: Images) -> FitInputs:
        """Training and validation images of a run of `config`, without a teacher."""
        return cls(
            images.part(*trained_on(config)),
            None if config.include_validation else images.part("validation"),
            len(images.dataset.class_names),
            images.dataset.digest,
            images.split.digest,
        )


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

    Raises:
        TrainingDivergedError: the loss, a weight or a logit became NaN or infinite; the last checkpoint is kept.
        CheckpointError: a checkpoint cannot be written.
    """
    threads = threads if resume_from is None else resume_from.threads
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # By default deterministic mode fills new tensors, for operations that read uninitialized memory. No operation here
    # does, and the fills take a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at import
    if resume_from is None:
        # On the CPU, so that the initial weights are the same for every device.
        initialize(classifier, generator(config.seed, _INITIALIZE))
    trainer = _Trainer(classifier, config, inputs, device)
    dtype = _start_or_restore(trainer, reporter, resume_from, initial or {})
    history = [] if resume_from is None else list(resume_from.history)
    left = config.epochs - len(history)
    if left:
        seconds = estimated_seconds(trainer.classifier, config, inputs.train, epochs=left, device=device)
        reporter.note(f"estimated time for {left:,} epochs: {described(seconds)}")
    reporter.fit_started(
        steps=trainer.total_steps,
        done=len(history) * trainer.steps_per_epoch,
        detail=f"{len(inputs.train.labels_N):,} images, {config.epochs} epochs of {trainer.steps_per_epoch} steps, "
        f"{threads} threads, {dtype}, {device}",
    )
    try:
        for epoch in range(len(history), config.epochs):
            history.append(trainer.epoch(epoch, dtype, reporter))
            checkpoint = _checkpoint(trainer, inputs, history, dtype, threads)
            reporter.writing("checkpoint")
            save_checkpoint(run_folder, checkpoint)
            reporter.epoch(history[-1], config.epochs)
    finally:
        reporter.fit_ended()
    return FitResult(trainer.result.cpu().eval(), tuple(history), dtype, threads)


def _checkpoint(
    trainer: _Trainer, inputs: FitInputs, history: Sequence[EpochRecord], dtype: Dtype, threads: int
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
    )


def _start_or_restore(
    trainer: _Trainer, reporter: Reporter, checkpoint: Checkpoint | None, initial: Mapping[str, Tensor]
) -> Dtype:
    """Load the checkpoint, or complete the initialization of a new run; returns the number format of the run."""
    if checkpoint is not None:
        trainer.classifier.load_state_dict(checkpoint.network)
        trainer.optimizer.load_state_dict(checkpoint.optimizer)
        if trainer.hints is not None and checkpoint.hints is not None:
            trainer.hints.load_state_dict(checkpoint.hints)
        if trainer.ema is not None and checkpoint.averaged is not None:
            trainer.ema.classifier.load_state_dict(checkpoint.averaged)
        reporter.note(f"resuming after epoch {len(checkpoint.history)} of {trainer.config.epochs}")
        return checkpoint.dtype
    whiten(trainer.classifier, unpack(trainer.batches.images_NHW))
    load_initial(trainer.classifier, initial)
    if trainer.ema is not None:
        trainer.ema.classifier.load_state_dict(trainer.classifier.state_dict())
    if trainer.config.precision != "auto":
        return trainer.config.precision
    return pick_dtype(trainer.device)


class _Trainer:
    """State of a run (network, optimizer, batches), and one epoch of training."""

    def __init__(self, classifier: Classifier, config: RecipeConfig, inputs: FitInputs, device: torch.device) -> None:
        self.classifier = classifier.to(device)
        self.config = config
        self.device = device
        self.batches = Batches(
            inputs.train,
            inputs.classes,
            config,
            fill_C=classifier.mean_color,
            mirrored_N=torch.rand(len(inputs.train), generator=generator(config.seed, _MIRROR)) < 0.5,
            teacher=inputs.teacher,
            device=device,
        )
        self.validation = inputs.validation
        self.labels_N = torch.from_numpy(inputs.train.labels_N)
        # Evenly spaced, because the images of a folder are sorted by class.
        plain = np.linspace(0, len(inputs.train) - 1, min(_PLAIN, len(inputs.train))).round().astype(np.int64)
        self.plain = LabelledImages(inputs.train.images_NHWC[plain], inputs.train.labels_N[plain])
        self.optimizer = build_optimizer(classifier, config.optimization)
        self.hints = hint_head(classifier, inputs.teacher, device)
        if self.hints is not None:
            self.optimizer.add_param_group(self.hints.parameter_group(config.optimization))
        self.steps_per_epoch = math.ceil(len(self.batches) / config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.steps_between_reports = 1 if device.type == "cpu" else _STEPS_BETWEEN_REPORTS
        averaged_steps = config.optimization.averaging * self.steps_per_epoch
        self.ema = WeightEMA(self.classifier, averaged_steps) if averaged_steps else None

    @property
    def result(self) -> Classifier:
        """The network to evaluate and publish: the weight average if there is one."""
        return self.classifier if self.ema is None else self.ema.classifier

    def epoch(self, epoch: int, dtype: Dtype, reporter: Reporter) -> EpochRecord:
        """Train on all training images in a new order, then validate."""
        started = time.perf_counter()
        draw = generator(self.config.seed, _EPOCH, epoch, device=self.device)
        seed_dropout(self.classifier, draw)
        self.classifier.train()
        freeze_whitening_bias(self.classifier, epoch)
        order_N = epoch_order(self.labels_N, self.config, generator(self.config.seed, _ORDER, epoch))
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        loss, accuracy, seen, rate = 0.0, 0.0, 0, 0.0
        # Batches of nearly equal size: a small last batch would give poor statistics for batch normalization.
        for number, index_N in enumerate(order_N.tensor_split(self.steps_per_epoch)):
            steps = epoch * self.steps_per_epoch + number
            rate = learning_rate(self.config.optimization, steps, self.total_steps)
            set_learning_rate(self.optimizer, rate)
            batch = self.batches.augmented(index_N, epoch, draw)
            totals += self._step(batch, dtype) * len(index_N)
            if self.ema is not None:
                self.ema.update(self.classifier, steps + 1)
            seen += len(index_N)
            # Reading the totals synchronizes with the device, so this does not happen in every step.
            if (number + 1) % self.steps_between_reports == 0 or number + 1 == self.steps_per_epoch:
                loss, accuracy = (totals / seen).tolist()
                require_finite(loss, "the loss", epoch=epoch, step=number)
            reporter.step(epoch=epoch + 1, loss=loss, accuracy=accuracy)
        validation_loss, validation_accuracy = (
            (None, None) if self.validation is None else score(self.result, self.validation, self.device, dtype)
        )
        _, plain_accuracy = score(self.result, self.plain, self.device, dtype)
        self._require_finite(epoch, validation_loss, dtype)
        seconds = time.perf_counter() - started
        return EpochRecord(
            epoch + 1, loss, accuracy, validation_loss, validation_accuracy, rate, seconds, plain_accuracy
        )

    def _step(self, batch: Batch, dtype: Dtype) -> Tensor:
        """Perform one optimizer step; returns mean loss and accuracy of the batch, float64 [2], on the device."""
        unused: AbstractContextManager[list[Tensor]] = nullcontext([])
        captured = unused if self.hints is None else capture_features(self.classifier)
        with captured as features, autocast(self.device, dtype):
            logits_LK = self.classifier(batch.pixels_LHWC)
        loss = training_loss(logits_LK, batch, self.config)
        if self.hints is not None and batch.hints_NF is not None:
            hint_loss = self.hints(features[0][: len(batch.hints_NF)], batch.hints_NF)
            loss = loss + self.config.distillation.hint_weight * hint_loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        correct_N = logits_LK[: len(batch.onehot_NK)].argmax(1) == batch.onehot_NK.argmax(1)
        return torch.stack([loss.detach().double(), correct_N.double().mean()])

    @torch.no_grad()
    def _require_finite(self, epoch: int, validation_loss: float | None, dtype: Dtype) -> None:
        """Check weights, and validation loss or logits, at the end of an epoch.

        The weight average includes the weights of every step, so that checking it is enough.
        """
        require_finite_weights(self.result, epoch=epoch)
        if validation_loss is not None:
            require_finite(validation_loss, "the validation loss", epoch=epoch)
            return
        probed = self.batches.plain(torch.arange(min(_PROBED, len(self.batches))))
        with autocast(self.device, dtype):
            logits_NK = self.result.eval()(probed.pixels_LHWC)
        require_finite(logits_NK, "the logits", epoch=epoch)
