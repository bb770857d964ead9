"""Training run: prepare_run -> soft labels -> fit -> publish. The run folder lets an interrupted run resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import CheckpointError
from core.files.home import require_space
from core.recipes import BackboneNetwork, RecipeConfig
from core.recipes.init_from import geometry_of
from core.repository.manifest import Geometry, Manifest
from core.repository.publishing import check_family_name
from core.repository.repository import ModelRepository
from training.data.preprocessing import channel_statistics
from training.data.split_dataset import Images, trained_on
from training.export.gradients.check import rehearse_export
from training.fit.backbone import pretrained_weights, require_backbone, with_weights_of
from training.fit.distillation import SoftLabels, Teacher, pin_teacher_version, read_teachers, soft_labels
from training.fit.init_from import Start, initial_weights, read_start
from training.fit.inputs import FitInputs
from training.fit.loop import fit
from training.fit.memory import require_memory_for
from training.networks import Classifier, build_classifier
from training.networks.efficientnet import MEAN, STD
from training.publish.publish import Origin, publish_version
from training.run.checkpoint import Checkpoint, load_checkpoint, require_same_run
from training.run.environment import environment_record, source_digest
from training.run.reporter import Reporter
from training.run.run_folder import (
    clear_run,
    describe_run,
    locked_run,
    mark_published,
    mark_publishing,
    published_as,
    recover_publishing,
    room_for,
)

_MIN_STD = 1 / 255
"""Lower bound of a channel's standard deviation: one pixel value on [0, 1]. Avoids division by zero."""


@dataclass(frozen=True)
class Run:
    """A training run that has passed all checks before training.

    Attributes:
        config: the recipe, with overrides merged in and the teachers pinned to versions.
        images: data to train, calibrate and evaluate on.
        repository: receives the published version.
        family: name of the family, existing or new.
        folder: run folder, which holds the checkpoint.
        classifier: the network, before its weights are initialized.
        geometry: method that fits an image to the square input of the network.
        initial: weights of the version in `init_from`, or of a pretrained network, by torch name; None for random
            weights.
        teachers: the versions to distill from; empty without distillation.
        checkpoint: state to resume from; None for a new run.
    """

    config: RecipeConfig
    images: Images
    repository: ModelRepository
    family: str
    folder: Path
    classifier: Classifier
    geometry: Geometry
    initial: Mapping[str, Tensor] | None
    teachers: tuple[Teacher, ...]
    checkpoint: Checkpoint | None


def prepare_run(
    config: RecipeConfig,
    images: Images,
    repository: ModelRepository,
    family: str,
    folder: Path,
    *,
    resume: bool = False,
    backbone_weights: Path | None = None,
) -> Run:
    """Run all checks that need no training, and build the network. Writes nothing.

    See `Run` for the arguments. The folder need not exist; with `resume` it must contain a checkpoint.
    `backbone_weights` is the file of a pretrained network, by default that of the extra `backbone`.

    Raises:
        CheckpointError: the run cannot be resumed.
        ConfigurationError, RepositoryError: the teacher, the version in `init_from` or the pretrained weights are
            missing or incompatible.
        LowDiskError: the disk has too little space for the checkpoints and the version.
        LowMemoryError: the network and its batch do not fit into the memory.
        PublishError: the family name is invalid.
    """
    check_family_name(family)
    require_backbone(config, backbone_weights)
    checkpoint = _checkpoint_to_resume(folder) if resume else None
    config = pin_teacher_version(config, repository, resumed=None if checkpoint is None else checkpoint.config)
    if checkpoint is not None:
        config = with_weights_of(config, checkpoint.config)
        require_same_run(checkpoint, config, images.dataset.digest, images.split.digest)
    teachers = read_teachers(config, images, repository)
    start = read_start(config, images, repository)
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    require_memory_for(config, height=height, width=width, classes=len(images.dataset.class_names))
    classifier = new_classifier(config, images, start)
    config, initial = pretrained_weights(config, classifier, backbone_weights, start=start, resumed=resume)
    if start is not None:
        initial = initial_weights(classifier, start, images.dataset.class_names)
    geometry = images.dataset.geometry or geometry_of(config, None if start is None else start.manifest)
    require_space(folder, room_for(classifier), what="a training of this network", advice="free some space first")
    return Run(config, images, repository, family, folder, classifier, geometry, initial, teachers, checkpoint)


def train(run: Run, *, reporter: Reporter, threads: int, device: torch.device) -> Manifest:
    """Train a prepared run and publish it as the next version of its family.

    The caller must hold the lock of the run folder, which is cleared for a new run. A resumed run keeps its original
    number of threads.

    Raises:
        CheckpointError: a checkpoint or the soft labels cannot be saved.
        LowDiskError: the disk has too little space for the soft labels.
        TrainingDivergedError: the loss is no longer finite.
        ExportError: the exported graph disagrees with the network.
        PublishError: the version cannot be written.
    """
    source = source_digest()
    if run.checkpoint is None:
        clear_run(run.folder)
    else:
        _note_software_changes(run.checkpoint, source, reporter)
    describe_run(run.folder, run.config, family=run.family, data=run.images.dataset.name)
    targets = _soft_labels(run, reporter, threads, device)
    reporter.stage(f"fit {run.config.recipe}")
    inputs = FitInputs.of(run.config, run.images)
    result = fit(
        run.classifier,
        run.config,
        replace(inputs, source_digest=source, teacher=None if targets is None else targets.rounds),
        run.folder,
        reporter=reporter,
        threads=threads,
        device=device,
        resume_from=run.checkpoint,
        initial=run.initial,
    )
    origin = Origin(
        run.config,
        result.history,
        environment_record(threads=result.threads, dtype=result.dtype, device=device),
        source,
        derived_from=run.config.init_from,
        geometry=run.geometry,
        teachers={teacher.manifest.reference: teacher.weights for teacher in run.teachers},
        teacher_seconds=None if targets is None else targets.seconds,
    )
    manifest = publish_version(
        result.classifier,
        origin,
        run.images,
        run.repository,
        run.family,
        reporter=reporter,
        before_publishing=lambda manifest: mark_publishing(run.folder, manifest),
    )
    mark_published(run.folder, manifest.reference)
    return manifest


def train_version(
    config: RecipeConfig,
    images: Images,
    repository: ModelRepository,
    family: str,
    run_folder: Path,
    *,
    reporter: Reporter,
    threads: int,
    device: torch.device,
    resume: bool = False,
    backbone_weights: Path | None = None,
) -> Manifest:
    """Prepare a run, test its export if it has several epochs, and train it, holding the lock of the run folder.

    The folder is created if it does not exist. See `prepare_run` and `train` for the arguments.

    Raises:
        CheckpointError: another process is training in the folder.
        DuetError: raised by `prepare_run` and `train`.
    """
    with locked_run(run_folder):
        recover_publishing(run_folder, repository)
        run = prepare_run(
            config, images, repository, family, run_folder, resume=resume, backbone_weights=backbone_weights
        )
        # A rehearsal takes about as long as one epoch, so that it saves nothing before a run of one epoch.
        if run.checkpoint is None and config.epochs > 1:
            reporter.stage("rehearse the export with random weights")
            rehearse_export(run.classifier, images.part("train").images_NHWC)
        return train(run, reporter=reporter, threads=threads, device=device)


def _soft_labels(run: Run, reporter: Reporter, threads: int, device: torch.device) -> SoftLabels | None:
    if not run.teachers:
        return None
    torch.set_num_threads(threads if run.checkpoint is None else run.checkpoint.threads)
    return soft_labels(
        run.teachers,
        run.config,
        run.images,
        run.repository.home_models.with_name("cache") / "teachers",
        fill_C=run.classifier.mean_color,
        reporter=reporter,
        device=device,
        room=room_for(run.classifier),
    )


def new_classifier(config: RecipeConfig, images: Images, start: Start | None = None) -> Classifier:
    """Build the recipe's network for the size and classes of `images`, before its weights are initialized.

    It normalizes with the channel statistics of its training images, with those of `start`, or as a pretrained network
    expects.
    """
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    if start is not None:
        mean, std = list(start.manifest.input.mean), list(start.manifest.input.std)
    elif isinstance(config.network, BackboneNetwork):
        mean, std = list(MEAN), list(STD)
    else:
        mean_C, std_C = channel_statistics(images.part(*trained_on(config)).images_NHWC)
        mean, std = mean_C.tolist(), np.maximum(std_C, _MIN_STD).tolist()
    classes = len(images.dataset.class_names)
    return build_classifier(config.network, height=height, width=width, classes=classes, mean=mean, std=std)


def _checkpoint_to_resume(run_folder: Path) -> Checkpoint:
    reference = published_as(run_folder)
    if reference is not None:
        raise CheckpointError(
            f"nothing to resume: the run in {run_folder} was already published as {reference}. Start a new run "
            "without --resume"
        )
    return load_checkpoint(run_folder)


def _note_software_changes(checkpoint: Checkpoint, source: str, reporter: Reporter) -> None:
    found = (
        ("source", checkpoint.source_digest[:12], source[:12]),
        ("torch", checkpoint.torch_version, str(torch.__version__)),
    )
    changes = [f"{name} was {old}, is now {new}" for name, old, new in found if old != new]
    if changes:
        reporter.note(
            f"software changed since the last checkpoint ({'; '.join(changes)}): the final weights may differ from "
            "those of an uninterrupted run. The manifest records the current software"
        )
