"""Shared setup of the short runs of a study: a subset of the training images, the teacher and the run function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import ConfigurationError
from core.jobs.run_folder import CHECKPOINT_NAME
from core.recipes import RecipeConfig
from core.repository.repository import ModelRepository
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.split_dataset import Images
from training.data.splits import SEED, Split, make_split
from training.data.types import LabelledImages
from training.fit.distillation import read_teachers, soft_labels
from training.fit.inputs import FitInputs
from training.fit.loop import FitResult, fit
from training.pipeline.train import new_classifier
from training.run.checkpoint import EpochRecord, load_checkpoint, require_same_run
from training.run.reporter import Reporter
from training.tuning.ablation.study_folder import STUDY_BYTES

_FRESH = 10_000
"""Maximum number of images that a study reserves for its confirmation."""
_MAX_SHARE = 0.9


@dataclass(frozen=True)
class StudySetup:
    """Images and machine of a study.

    Attributes:
        images: data set; the train part of its split is a stratified share of the training images.
        fresh: training images outside that share, used only for confirmation.
    """

    images: Images
    fresh: LabelledImages
    repository: ModelRepository
    threads: int
    device: torch.device


def make_study_setup(
    images: Images, share: float, repository: ModelRepository, *, threads: int, device: torch.device
) -> StudySetup:
    """Draw the stratified share of the training images for a study; deterministic.

    Raises:
        ConfigurationError: the share is out of range, or leaves too few images.
    """
    if not 0 < share <= _MAX_SHARE:
        raise ConfigurationError(f"the share {share:g} of the images is out of range: give a share in (0, 0.9]")
    split, labels_N = images.split, images.dataset.training.labels_N
    kept = round(share * len(split.train))
    fresh = min(_FRESH, (len(split.train) - kept) // 2)
    if min(kept, fresh) < 1:
        raise ConfigurationError(
            f"{share:g} of {len(split.train)} training images leaves too few for a study: give another share"
        )
    drawn = make_split(labels_N[split.train], validation=kept, holdout=fresh, seed=SEED)
    fresh_N = split.train[drawn.holdout]
    training = images.dataset.training
    return StudySetup(
        images=Images(images.dataset, Split(split.train[drawn.validation], split.validation, split.holdout)),
        fresh=LabelledImages(training.images_NHWC[fresh_N], training.labels_N[fresh_N]),
        repository=repository,
        threads=threads,
        device=device,
    )


def short_run(
    config: RecipeConfig,
    setup: StudySetup,
    folder: Path,
    *,
    validation: LabelledImages,
    reporter: Reporter,
    on_epoch: Callable[[EpochRecord], None] = lambda _: None,
) -> FitResult:
    """Train `config` on the images of the setup, resuming from the checkpoint in `folder` if there is one.

    Args:
        config: configuration of the run.
        setup: images and machine.
        folder: folder of the checkpoint; created if missing.
        validation: images to evaluate after every epoch.
        reporter: receives the progress.
        on_epoch: called after every epoch, first with those before an interruption; its exceptions stop the run.

    Raises:
        ConfigurationError: the run would train on validation images, or its teacher is unsuitable.
        CheckpointError: the checkpoint belongs to another run, or cannot be read or written.
        TrainingDivergedError: the loss is NaN or infinite.
    """
    require_study_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    images = setup.images
    checkpoint = load_checkpoint(folder) if (folder / CHECKPOINT_NAME).exists() else None
    if checkpoint is not None:
        require_same_run(checkpoint, config, images.dataset.digest, images.split.digest)
        for record in checkpoint.history:
            on_epoch(record)
    classifier = new_classifier(config, images)
    inputs = FitInputs(
        train=images.part("train"),
        validation=validation,
        classes=len(images.dataset.class_names),
        data_digest=images.dataset.digest,
        split_digest=images.split.digest,
        teacher=_soft_labels(config, setup, classifier.mean_color, reporter),
    )
    return fit(
        classifier,
        config,
        inputs,
        folder,
        reporter=EpochListener(reporter, on_epoch),
        threads=setup.threads,
        device=setup.device,
        resume_from=checkpoint,
    )


def require_study_config(config: RecipeConfig) -> None:
    """Check that a run of `config` does not train on validation images and starts from random weights.

    Raises:
        ConfigurationError: it sets include_validation or init_from.
    """
    if config.include_validation:
        raise ConfigurationError("a study evaluates on the validation images: leave include_validation false")
    if config.init_from is not None:
        raise ConfigurationError(f"runs of a study start from random weights: remove init_from={config.init_from}")


def final_accuracy(result: FitResult) -> float:
    """Return the validation accuracy after the last epoch."""
    accuracy = result.history[-1].validation_accuracy
    if accuracy is None:
        raise ValueError("the run has no validation accuracy")
    return accuracy


def _soft_labels(
    config: RecipeConfig, setup: StudySetup, fill_C: Tensor, reporter: Reporter
) -> Sequence[RoundSoftLabels] | None:
    """Return the teacher's soft labels for the images of the study; None without a teacher."""
    teachers = read_teachers(config, setup.images, setup.repository)
    if not teachers:
        return None
    cache = setup.repository.home_models.with_name("cache") / "teachers"
    torch.set_num_threads(setup.threads)
    labels = soft_labels(
        teachers, config, setup.images, cache, fill_C=fill_C, reporter=reporter, device=setup.device, room=STUDY_BYTES
    )
    return labels.rounds


class EpochListener:
    """Reporter that forwards everything, and each epoch also to a callback."""

    def __init__(self, reporter: Reporter, on_epoch: Callable[[EpochRecord], None]) -> None:
        self.stage = reporter.stage
        self.fit_started = reporter.fit_started
        self.step = reporter.step
        self.fit_ended = reporter.fit_ended
        self.writing = reporter.writing
        self.note = reporter.note
        self._reporter = reporter
        self._on_epoch = on_epoch

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Forward the epoch to the reporter and the callback."""
        self._reporter.epoch(record, epochs)
        self._on_epoch(record)
