"""Training run: prepare_run -> ask the teacher -> fit -> publish, in a run folder that it can be resumed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import CheckpointError
from core.recipes import RecipeConfig
from core.recipes.init_from import geometry_of
from core.repository.manifest import Geometry, Manifest
from core.repository.publishing import check_family_name
from core.repository.repository import ModelRepository
from training.data.preprocessing import channel_statistics
from training.data.split_dataset import Images, trained_on
from training.export.gradients.rehearsal import rehearse_export
from training.fit.distillation import SoftLabels, Teacher, read_teacher, soft_labels, with_exact_teacher
from training.fit.init_from import Start, initial_weights, read_start
from training.fit.loop import FitInputs, FitResult, fit
from training.networks import Classifier, build_classifier
from training.publish.publish import Origin, publish_version
from training.run.checkpoint import Checkpoint, load_checkpoint, require_same_run
from training.run.environment import environment_record, source_digest
from training.run.reporter import Reporter
from training.run.run_folder import (
    clear_run,
    held,
    mark_published,
    mark_publishing,
    published_as,
    require_room,
    room_for,
    settle_publishing,
)

_MIN_STD = 1 / 255
"""One step of a pixel's value, on the scale of [0, 1]: images of one plain color have no deviation to divide by."""


@dataclass(frozen=True)
class Run:
    """A training run that has passed every check which needs no training.

    Attributes:
        config: the recipe, with overrides merged in and the teacher's version in place of its family.
        images: what to train, calibrate and evaluate on.
        repository: where the version goes.
        family: name of the family; it may be new.
        folder: keeps the checkpoint.
        classifier: the network, its weights still to be drawn.
        geometry: fit of a picture to the square that the network takes.
        initial: weights of the version to start from, by their torch names; None for random ones.
        teacher: the version to learn from; None without one.
        checkpoint: where an interrupted run goes on; None for a new run.
    """

    config: RecipeConfig
    images: Images
    repository: ModelRepository
    family: str
    folder: Path
    classifier: Classifier
    geometry: Geometry
    initial: Mapping[str, Tensor] | None
    teacher: Teacher | None
    checkpoint: Checkpoint | None


def prepare_run(
    config: RecipeConfig,
    images: Images,
    repository: ModelRepository,
    family: str,
    folder: Path,
    *,
    resume: bool = False,
) -> Run:
    """Check everything that can refuse a run before it trains; writes nothing.

    Args:
        config: the recipe, with overrides merged in.
        images: what to train, calibrate and evaluate on.
        repository: where the version goes.
        family: name of the family; it may be new.
        folder: of the run; it need not exist.
        resume: go on from the folder's checkpoint.

    Raises:
        CheckpointError: the run cannot be resumed.
        ConfigurationError, RepositoryError: the version to start from, or to learn from, does not fit, or is not there.
        LowDiskError: there is no room for the run's checkpoints and the version.
        PublishError: the family's name is not valid.
    """
    check_family_name(family)
    checkpoint = _checkpoint_to_resume(folder) if resume else None
    config = with_exact_teacher(config, repository, begun=None if checkpoint is None else checkpoint.config)
    if checkpoint is not None:
        require_same_run(checkpoint, config, images.dataset.digest, images.split.digest)
    teacher = read_teacher(config, images, repository)
    start = read_start(config, images, repository)
    classifier = new_classifier(config, images, start)
    initial = None if start is None else initial_weights(classifier, start, images.dataset.class_names)
    geometry = images.dataset.geometry or geometry_of(config, None if start is None else start.manifest)
    require_room(folder, classifier)
    return Run(config, images, repository, family, folder, classifier, geometry, initial, teacher, checkpoint)


def train(run: Run, *, reporter: Reporter, threads: int, device: torch.device) -> Manifest:
    """Train a prepared run and publish it as the next version of its family; the caller holds its folder.

    Args:
        run: from `prepare_run`; if it does not resume, its folder is cleared.
        reporter: is told what happens.
        threads: of the processor; a resumed run keeps the number it was started with.
        device: where to train.

    Raises:
        CheckpointError: a checkpoint or the teacher's answers cannot be saved.
        LowDiskError: there is no room for the teacher's answers.
        TrainingDivergedError: the loss is no longer finite.
        ExportError: the exported graph does not agree with the network.
        PublishError: the version could not be written.
    """
    source = source_digest()
    if run.checkpoint is None:
        clear_run(run.folder)
    else:
        _note_software_changes(run.checkpoint, source, reporter)
    answers = _ask_teacher(run, reporter, threads, device)
    result = _fit(run, answers, source, reporter, threads, device)
    origin = _origin(run, result, answers, source, device)
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
) -> Manifest:
    """Prepare a run, rehearse its export and train it, with its folder locked; the folder is made if it does not exist.

    Arguments are those of `prepare_run` and `train`.

    Raises:
        CheckpointError: another process trains in the folder.
        DuetError: as `prepare_run` and `train` do.
    """
    with held(run_folder):
        settle_publishing(run_folder, repository)
        run = prepare_run(config, images, repository, family, run_folder, resume=resume)
        if run.checkpoint is None:
            reporter.stage("rehearse the export with random weights")
            rehearse_export(run.classifier, images.part("train").images_NHWC)
        return train(run, reporter=reporter, threads=threads, device=device)


def _ask_teacher(run: Run, reporter: Reporter, threads: int, device: torch.device) -> SoftLabels | None:
    if run.teacher is None:
        return None
    torch.set_num_threads(threads)
    return soft_labels(
        run.teacher,
        run.config,
        run.images,
        run.repository.home_models.with_name("cache") / "teachers",
        fill_C=run.classifier.mean_color,
        reporter=reporter,
        device=device,
        room=room_for(run.classifier),
    )


def _fit(
    run: Run, answers: SoftLabels | None, source: str, reporter: Reporter, threads: int, device: torch.device
) -> FitResult:
    reporter.stage(f"fit {run.config.recipe}")
    inputs = FitInputs(
        train=run.images.part(*trained_on(run.config)),
        validation=None if run.config.include_validation else run.images.part("validation"),
        classes=len(run.images.dataset.class_names),
        data_digest=run.images.dataset.digest,
        split_digest=run.images.split.digest,
        teacher=None if answers is None else answers.rounds,
        source_digest=source,
    )
    return fit(
        run.classifier,
        run.config,
        inputs,
        run.folder,
        reporter=reporter,
        threads=threads,
        device=device,
        resume_from=run.checkpoint,
        initial=run.initial,
    )


def _origin(run: Run, result: FitResult, answers: SoftLabels | None, source: str, device: torch.device) -> Origin:
    return Origin(
        run.config,
        result.history,
        environment_record(threads=result.threads, dtype=result.dtype, device=device),
        source,
        derived_from=run.config.init_from,
        geometry=run.geometry,
        teacher_seconds=None if answers is None else answers.seconds,
    )


def new_classifier(config: RecipeConfig, images: Images, start: Start | None = None) -> Classifier:
    """The recipe's network for these images, its weights still to be drawn.

    It normalizes by the statistics of the images it is trained on, or as the version does that it starts from.
    """
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    if start is not None:
        mean, std = list(start.input.mean), list(start.input.std)
    else:
        mean_C, std_C = channel_statistics(images.part(*trained_on(config)).images_NHWC)
        mean, std = mean_C.tolist(), np.maximum(std_C, _MIN_STD).tolist()
    return build_classifier(
        config.network,
        height=height,
        width=width,
        classes=len(images.dataset.class_names),
        mean=mean,
        std=std,
    )


def _checkpoint_to_resume(run_folder: Path) -> Checkpoint:
    reference = published_as(run_folder)
    if reference is not None:
        raise CheckpointError(f"nothing to resume: the run in {run_folder} was published as {reference}")
    return load_checkpoint(run_folder)


def _note_software_changes(checkpoint: Checkpoint, source: str, reporter: Reporter) -> None:
    """Note where the epochs so far were trained by other software, which may compute other weights."""
    found = (
        ("source", checkpoint.source_digest and checkpoint.source_digest[:12], source[:12]),
        ("torch", checkpoint.torch_version, str(torch.__version__)),
    )
    changes = [f"{name} was {old}, is now {new}" for name, old, new in found if old is not None and old != new]
    if changes:
        reporter.note(
            f"the epochs so far were trained by other software ({'; '.join(changes)}): the run may end with other "
            "weights than one that was never interrupted; its manifest names the software that it ends with"
        )
