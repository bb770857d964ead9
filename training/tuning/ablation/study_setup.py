"""What all short runs of a study share: a part of the training images, and how one run is done on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.repository.repository import ModelRepository
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.split_dataset import Images
from training.data.splits import SEED, Split, make_split
from training.data.types import LabelledImages
from training.fit.distillation import read_teacher, soft_labels
from training.fit.loop import FitInputs, FitResult, fit
from training.pipeline.train import new_classifier
from training.run.checkpoint import CHECKPOINT_NAME, EpochRecord, load_checkpoint, require_same_run
from training.run.reporter import Reporter
from training.tuning.ablation.places import ROOM

_FRESH = 10_000
"""Images, at most, that a study keeps for its confirmation."""
_MAX_SHARE = 0.9


@dataclass(frozen=True)
class StudySetup:
    """Images and machine of a study.

    Attributes:
        images: of the study; its split's train part is a share of the whole one, with the classes' proportions.
        fresh: training images outside that share, which no run of the study learns from or is chosen by.
        repository: holds teachers.
        threads: of the processor.
        device: where to train.
    """

    images: Images
    fresh: LabelledImages
    repository: ModelRepository
    threads: int
    device: torch.device


def make_study_setup(
    images: Images, share: float, repository: ModelRepository, *, threads: int, device: torch.device
) -> StudySetup:
    """Draw the share of the training images that a study works with; the same share, the same images.

    Raises:
        ConfigurationError: the share is out of range, or leaves too few images.
    """
    if not 0 < share <= _MAX_SHARE:
        raise ConfigurationError(f"a study cannot work on {share:g} of the images: give a share in (0, 0.9]")
    split, labels_N = images.split, images.dataset.training.labels_N
    kept = round(share * len(split.train))
    fresh = min(_FRESH, (len(split.train) - kept) // 2)
    if min(kept, fresh) < 1:
        raise ConfigurationError(f"{share:g} of {len(split.train)} training images leaves too few for a study")
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
    judged_on: LabelledImages,
    reporter: Reporter,
    on_epoch: Callable[[EpochRecord], None] = lambda _: None,
) -> FitResult:
    """Fit `config` on the bench's images, going on from the checkpoint in `folder` if there is one.

    Args:
        config: of the run.
        setup: what it is run on.
        folder: keeps the checkpoint; made if it does not exist.
        judged_on: images whose accuracy is measured after every epoch.
        reporter: is told what happens.
        on_epoch: is called with every epoch, those before an interruption first; what it raises ends the run.

    Raises:
        ConfigurationError: the run would train on validation images, or its teacher does not fit.
        CheckpointError: the checkpoint belongs to another run, or cannot be read or written.
        TrainingDivergedError: the loss is no longer finite.
    """
    require_judged(config)
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
        validation=judged_on,
        classes=len(images.dataset.class_names),
        data_digest=images.dataset.digest,
        split_digest=images.split.digest,
        teacher=_answers(config, setup, classifier.mean_color, reporter),
    )
    return fit(
        classifier,
        config,
        inputs,
        folder,
        reporter=WatchedRun(reporter, on_epoch),
        threads=setup.threads,
        device=setup.device,
        resume_from=checkpoint,
    )


def require_judged(config: RecipeConfig) -> None:
    """Check that the validation images can judge a run of `config`, and that it starts as studies' runs do.

    Raises:
        ConfigurationError: it would train on them, or start from another version's weights.
    """
    if config.include_validation:
        raise ConfigurationError("a study is judged on the validation images: leave include_validation false")
    if config.init_from is not None:
        raise ConfigurationError(f"a study's runs start from random weights: leave init_from={config.init_from} out")


def final_accuracy(result: FitResult) -> float:
    """Accuracy after the last epoch, on the images that the run was judged on."""
    accuracy = result.history[-1].validation_accuracy
    if accuracy is None:
        raise ValueError("the run was not judged on any images")
    return accuracy


def _answers(
    config: RecipeConfig, setup: StudySetup, fill_C: Tensor, reporter: Reporter
) -> Sequence[RoundSoftLabels] | None:
    """The teacher's answers for the images of the study, as its rounds change just these."""
    teacher = read_teacher(config, setup.images, setup.repository)
    if teacher is None:
        return None
    cache = setup.repository.home_models.with_name("cache") / "teachers"
    torch.set_num_threads(setup.threads)
    answers = soft_labels(
        teacher, config, setup.images, cache, fill_C=fill_C, reporter=reporter, device=setup.device, room=ROOM
    )
    return answers.rounds


class WatchedRun:
    """A reporter that passes everything on, and each epoch to a second listener too."""

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
        """Tell both."""
        self._reporter.epoch(record, epochs)
        self._on_epoch(record)
