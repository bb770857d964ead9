"""A whole training run: load -> fit -> publish, in a run folder that it can be resumed from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import CheckpointError
from core.manifest import Manifest
from core.recipes import RecipeConfig
from core.repository import ModelRepository
from core.starting import geometry_of
from training.checkpoint import Checkpoint, load_checkpoint, require_same_run
from training.environment import environment_record, source_digest
from training.fit import FitInputs, fit
from training.images import Images, trained_on
from training.networks import Classifier, build_classifier
from training.preprocessing import channel_statistics
from training.progress import Reporter
from training.publish import Origin, publish_version
from training.runs import (
    clear_run,
    held,
    mark_published,
    mark_publishing,
    published_as,
    require_room,
    room_for,
    settle_publishing,
)
from training.starting import Start, initial_weights, read_start
from training.teacher import read_teacher, teacher_answers, with_exact_teacher

_LEAST_STD = 1 / 255
"""One step of a pixel's value, on the scale of [0, 1]: images of one plain colour have no deviation to divide by."""


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
    """Train the recipe's network and publish it as the next version of `family`.

    Args:
        config: the recipe, with overrides merged in.
        images: what to train, calibrate and evaluate on.
        repository: where the version goes.
        family: name of the family; it may be new.
        run_folder: keeps the checkpoint; made if it does not exist.
        reporter: is told what happens.
        threads: of the processor; a resumed run keeps the number it was started with.
        device: where to train.
        resume: go on from the run folder's checkpoint; otherwise what is in the folder is dropped.

    Raises:
        CheckpointError: the run cannot be resumed, is being trained by another process, or cannot be saved.
        ConfigurationError, RepositoryError: the version that `config` starts from, or learns from, does not fit, or is
            not there.
        LowDiskError: there is no room for the run's checkpoints and the version.
        TrainingDivergedError: the loss is no longer finite.
        ExportError: the exported graph does not agree with the network.
        PublishError: the version could not be written.
    """
    with held(run_folder):
        source = source_digest()
        settle_publishing(run_folder, repository)
        checkpoint = _checkpoint_to_resume(run_folder) if resume else None
        config = with_exact_teacher(config, repository, begun=None if checkpoint is None else checkpoint.config)
        teacher = read_teacher(config, images, repository)
        if checkpoint is None:
            clear_run(run_folder)
        else:
            require_same_run(checkpoint, config, images.dataset.digest, images.split.digest)
            _tell_changes(checkpoint, source, reporter)
        start = read_start(config, images, repository)
        classifier = new_classifier(config, images, start)
        require_room(run_folder, classifier)
        answers = None
        if teacher is not None:
            cache = repository.home_models.with_name("cache") / "teachers"
            torch.set_num_threads(threads)
            answers = teacher_answers(
                teacher,
                config,
                images,
                cache,
                fill_C=classifier.mean_colour,
                reporter=reporter,
                device=device,
                room=room_for(classifier),
            )
        reporter.stage(f"fit {config.recipe}")
        result = fit(
            classifier,
            config,
            _fit_inputs(config, images, None if answers is None else answers.logits_RNK, source),
            run_folder,
            reporter=reporter,
            threads=threads,
            device=device,
            resume_from=checkpoint,
            initial=None if start is None else initial_weights(classifier, start, images.dataset.class_names),
        )
        environment = environment_record(threads=result.threads, dtype=result.dtype, device=device)
        origin = Origin(
            config,
            result.history,
            environment,
            source,
            derived_from=config.init_from,
            geometry=images.dataset.geometry or geometry_of(config, None if start is None else start.manifest),
            teacher_seconds=None if answers is None else answers.seconds,
        )
        manifest = publish_version(
            result.classifier,
            origin,
            images,
            repository,
            family,
            reporter=reporter,
            before_publishing=lambda manifest: mark_publishing(run_folder, manifest),
        )
        mark_published(run_folder, manifest.reference)
        return manifest


def new_classifier(config: RecipeConfig, images: Images, start: Start | None = None) -> Classifier:
    """The recipe's network for these images, its weights still to be drawn.

    It normalises by the statistics of the images it is trained on, or as the version does that it starts from.
    """
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    if start is not None:
        mean, std = list(start.input.mean), list(start.input.std)
    else:
        mean_C, std_C = channel_statistics(images.part(*trained_on(config)).images_NHWC)
        mean, std = mean_C.tolist(), np.maximum(std_C, _LEAST_STD).tolist()
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


def _tell_changes(checkpoint: Checkpoint, source: str, reporter: Reporter) -> None:
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


def _fit_inputs(config: RecipeConfig, images: Images, teacher_RNK: Tensor | None, source: str) -> FitInputs:
    return FitInputs(
        train=images.part(*trained_on(config)),
        validation=None if config.include_validation else images.part("validation"),
        classes=len(images.dataset.class_names),
        data_digest=images.dataset.digest,
        split_digest=images.split.digest,
        teacher_RNK=teacher_RNK,
        source_digest=source,
    )
