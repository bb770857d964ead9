"""State of a training run, and one epoch of training followed by validation.

Random numbers come from generators seeded with (seed, epoch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from core.recipes import BackboneNetwork, RecipeConfig
from training.augment.batches import Batch, Batches
from training.data.types import LabelledImages
from training.fit.backbone_head import fit_head
from training.fit.divergence import require_finite, require_finite_weights
from training.fit.dtype import autocast
from training.fit.hints import capture_features, hint_head
from training.fit.inputs import FitInputs
from training.fit.losses import training_loss
from training.fit.optimizers import WeightEMA, build_optimizer, learning_rate, set_learning_rate
from training.fit.sampling import epoch_order
from training.fit.validation import score
from training.networks import Classifier
from training.networks.layers import seed_dropout
from training.networks.whitened import freeze_whitening_bias
from training.run.checkpoint import Dtype, EpochRecord
from training.run.reporter import Reporter
from training.run.rng import generator

_PLAIN = 2_000
"""Number of unchanged training images for the accuracy after each epoch; they take 1 to 2 % of an epoch."""
_PROBED = 2
"""Number of images whose logits are checked after an epoch without validation."""
_STEPS_BETWEEN_REPORTS = 20
"""On a CUDA device, where reading the loss synchronizes; 1 on the CPU."""
INITIALIZE, _EPOCH, _MIRROR, _ORDER = 0, 1, 2, 3
"""Streams of random numbers of a seed."""


class Trainer:
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
        self.best: dict[str, Tensor] | None = None

    @property
    def result(self) -> Classifier:
        """The network to evaluate and publish: the weight average if there is one."""
        return self.classifier if self.ema is None else self.ema.classifier

    def keep_best(self, history: Sequence[EpochRecord]) -> None:
        """Copy the weights of a pretrained network if the last epoch has the lowest validation loss."""
        losses = [record.validation_loss for record in history if record.validation_loss is not None]
        if isinstance(self.config.network, BackboneNetwork) and losses and losses[-1] <= min(losses):
            self.best = {name: tensor.clone() for name, tensor in self.result.state_dict().items()}

    def restore_best(self) -> None:
        """Return to the weights of the epoch with the lowest validation loss, if they were copied."""
        if self.best is not None:
            self.result.load_state_dict(self.best)

    def epoch(self, epoch: int, dtype: Dtype, reporter: Reporter) -> EpochRecord:
        """Train on all training images in a new order, then validate."""
        started = time.perf_counter()
        if isinstance(self.config.network, BackboneNetwork) and epoch == 0:
            self._head_epoch(self.config.network, dtype, reporter)
            return self._record(epoch, dtype, started, None, 0.0)
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
        return self._record(epoch, dtype, started, (loss, accuracy), rate)

    def _record(
        self, epoch: int, dtype: Dtype, started: float, training: tuple[float, float] | None, rate: float
    ) -> EpochRecord:
        """Validate; `training` are the loss and accuracy of the epoch, by default those of unchanged images."""
        validation_loss, validation_accuracy = (
            (None, None) if self.validation is None else score(self.result, self.validation, self.device, dtype)
        )
        plain = score(self.result, self.plain, self.device, dtype)
        self._require_finite(epoch, validation_loss, dtype)
        loss, accuracy = training or plain
        seconds = time.perf_counter() - started
        return EpochRecord(epoch + 1, loss, accuracy, validation_loss, validation_accuracy, rate, seconds, plain[1])

    def _head_epoch(self, network: BackboneNetwork, dtype: Dtype, reporter: Reporter) -> None:
        """Fit the last layer of a pretrained network. Progress has the figures of a layer that knows nothing."""
        classes = self.batches.onehot_NK.shape[1]
        penalty = fit_head(
            self.classifier,
            self.batches,
            self.config,
            network,
            labels_N=self.labels_N.numpy(),
            draw=generator(self.config.seed, _EPOCH, 0, device=self.device),
            autocast=lambda: autocast(self.device, dtype),
            progress=lambda: reporter.step(epoch=1, loss=math.log(classes), accuracy=1 / classes),
        )
        reporter.note(f"fitted the last layer to the features of the pretrained network, penalty {penalty:g}")
        if self.ema is not None:
            self.ema.classifier.load_state_dict(self.classifier.state_dict())

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
