"""Activation maximization of two versions: images of classes and channels, scored by both models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from core.files.durable import atomic_replace
from core.images.near_duplicates import NearDuplicateIndex
from core.records.base import ReportedData, ReportedModel
from core.records.explanations import Activations, MaximisedImage, ModelActivations, NearestImage
from core.repository.manifest import GRAPHS, Manifest
from core.statistics.calibration import softmax
from training.analysis.interpret.maximize import (
    CLASS_OBJECTIVE,
    STEPS,
    Objective,
    block_layers,
    color_matrix,
    excitations,
    maximize,
    most_variable_channels,
)
from training.data.preprocessing import scale_pixels
from training.data.split_dataset import Images
from training.data.test_subset import stratified
from training.evaluation.reproduce import require_same_classes
from training.export.run_onnx import predict_logits
from training.export.weights import stored_classifier
from training.networks import Classifier

CLASS_SEEDS, QUICK_CLASS_SEEDS = 4, 1
CHANNELS, QUICK_CHANNELS = 8, 2
"""Channels of each block."""
QUICK_STEPS = 8
KEPT_PREFIX = ".kept-"
"""Prefix of temporary files that hold the images of a finished group until all groups are finished."""
_SAMPLE = 500
"""Training images for the choice of channels and the color covariance."""
Pixels = npt.NDArray[np.uint8]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Model:
    """A published version; its network is loaded on first use."""

    manifest: Manifest
    folder: Path

    @cached_property
    def network(self) -> Classifier:
        """The network in evaluation mode on the CPU, with frozen weights."""
        return stored_classifier(self.manifest, self.folder).requires_grad_(False)

    def probabilities(self, images_NHWC: Pixels, *, threads: int) -> npt.NDArray[np.float64]:
        """Calibrated class probabilities of the exported graph, float64 [N, K]."""
        logits_NK = predict_logits(self.folder / GRAPHS["fp32"], images_NHWC, threads=threads)
        return softmax(logits_NK, self.manifest.calibration["fp32"].temperature)


@dataclass(frozen=True)
class Group:
    """Objectives of one layer, or of all classes, that are maximized in one batch with one seed."""

    name: str
    objectives: tuple[Objective, ...]
    seed: int


@dataclass(frozen=True)
class ActivationSetup:
    """Inputs and settings shared by all groups of both models.

    Attributes:
        sample_NHWC: training images for the choice of channels.
        folder: output folder of the PNG files.
        quick: use few steps, seeds and channels.
    """

    images: Images
    index: NearDuplicateIndex
    sample_NHWC: Pixels
    colors_CC: npt.NDArray[np.float32]
    folder: Path
    threads: int
    quick: bool

    @property
    def steps(self) -> int:
        """Number of gradient ascent steps."""
        return QUICK_STEPS if self.quick else STEPS


def make_activations(
    models: tuple[Model, Model],
    images: Images,
    folder: Path,
    *,
    threads: int,
    quick: bool = False,
    progress: Progress = lambda name, done, of: None,
) -> Activations:
    """Maximize and score the images of both models, and write each group to `folder` as PNG files.

    An interrupted run resumes: finished groups with the same weights and settings are reused.

    Args:
        models: the two versions; each scores the images of the other too.
        images: data set that both were trained on.
        folder: output folder of the PNG files.
        threads: number of onnxruntime threads.
        quick: use few steps, seeds and channels.
        progress: called with a title, the number of finished steps and the total number.

    Raises:
        DataError: the data set has other classes or another image size than a version.
    """
    for model in models:
        require_same_classes(model.manifest, images)
    dataset = images.dataset
    sample_NHWC = dataset.training.images_NHWC[stratified(dataset.training.labels_N, _SAMPLE)]
    setup = ActivationSetup(
        images=images,
        index=NearDuplicateIndex(dataset.training.images_NHWC),
        sample_NHWC=sample_NHWC,
        colors_CC=color_matrix(sample_NHWC),
        folder=folder,
        threads=threads,
        quick=quick,
    )
    first, second = models
    return Activations(
        data=ReportedData(name=dataset.name, digest=dataset.digest, images=len(dataset.test), seed=None),
        steps=setup.steps,
        class_objective=CLASS_OBJECTIVE,
        models=(_of_model(first, second, setup, progress), _of_model(second, first, setup, progress)),
    )


def _of_model(model: Model, other: Model, setup: ActivationSetup, progress: Progress) -> ModelActivations:
    groups = _groups(model, setup)
    made: list[MaximisedImage] = []
    for done, group in enumerate(groups):
        title = f"{model.manifest.reference} {group.name}, seed {group.seed}"

        def report_step(step: int, title: str = title, done: int = done) -> None:
            progress(title, done * setup.steps + step, len(groups) * setup.steps)

        pixels_SHWC, starts_SHWC = _group_images(model, group, setup, report_step)
        made += _score_images(model, other, group, pixels_SHWC, starts_SHWC, setup)
    classes = [image for image in made if image.kind == "class"]
    return ModelActivations(
        model=ReportedModel.of(model.manifest),
        other=ReportedModel.of(other.manifest),
        images=tuple(made),
        transfer=float(np.mean([image.other_label == image.name for image in classes])),
        recognised=float(np.mean([image.own_label == image.name for image in classes])),
    )


def _score_images(
    model: Model, other: Model, group: Group, pixels_SHWC: Pixels, starts_SHWC: Pixels, setup: ActivationSetup
) -> list[MaximisedImage]:
    """Score the images of a group, write them as PNG files and return their records."""
    training, names = setup.images.dataset.training, setup.images.dataset.class_names
    own_SK, other_SK = (each.probabilities(pixels_SHWC, threads=setup.threads) for each in (model, other))
    positions, similarities = setup.index.nearest(pixels_SHWC)
    after, before = (
        excitations(model.network, torch.from_numpy(scale_pixels(each)), group.objectives).tolist()
        for each in (pixels_SHWC, starts_SHWC)
    )
    records = []
    for s, objective in enumerate(group.objectives):
        of_class = objective.layer is None
        name = names[objective.unit] if of_class else f"{group.name}, channel {objective.unit}"
        parts = (model.manifest.reference, name.replace(", ", ".").replace(" ", "_"), str(group.seed))
        file = ".".join((*parts, *(["quick"] if setup.quick else []), "png"))
        Image.fromarray(pixels_SHWC[s]).save(setup.folder / file)
        records.append(
            MaximisedImage(
                kind="class" if of_class else "channel",
                name=name,
                seed=group.seed,
                excitation=after[s],
                before=before[s],
                own_label=names[int(own_SK[s].argmax())],
                own_probability=float(own_SK[s, objective.unit]) if of_class else None,
                other_label=names[int(other_SK[s].argmax())],
                other_probability=float(other_SK[s, objective.unit]) if of_class else None,
                nearest=NearestImage(
                    position=int(positions[s]),
                    label=names[training.labels_N[positions[s]]],
                    similarity=float(similarities[s]),
                ),
                file=file,
            )
        )
    return records


def _groups(model: Model, setup: ActivationSetup) -> Sequence[Group]:
    """List the groups: all classes for each seed, and the most variable channels of each block."""
    classes = tuple(Objective(unit) for unit in range(len(model.manifest.class_names)))
    groups = [Group("classes", classes, seed) for seed in range(QUICK_CLASS_SEEDS if setup.quick else CLASS_SEEDS)]
    _, height, width, _ = setup.sample_NHWC.shape
    pixels = torch.from_numpy(scale_pixels(setup.sample_NHWC))
    for name, layer in block_layers(model.network, height=height, width=width).items():
        channels = most_variable_channels(model.network, pixels, layer, QUICK_CHANNELS if setup.quick else CHANNELS)
        groups.append(Group(name, tuple(Objective(channel, layer) for channel in channels), seed=0))
    return groups


def _group_images(
    model: Model, group: Group, setup: ActivationSetup, on_step: Callable[[int], None]
) -> tuple[Pixels, Pixels]:
    """Final and initial images of a group, uint8 [S, H, W, 3], from the file of an interrupted run if it exists."""
    work = {
        "weights": ReportedModel.of(model.manifest).weights,
        "group": asdict(group),
        "steps": setup.steps,
        "class_objective": CLASS_OBJECTIVE,
    }
    key = hashlib.sha256(json.dumps([work, setup.colors_CC.tolist()], sort_keys=True).encode()).hexdigest()[:16]
    path = setup.folder / f"{KEPT_PREFIX}{key}.npz"
    spec = model.manifest.input

    def ascend(steps: int) -> Pixels:
        return maximize(
            model.network, group.objectives, height=spec.height, width=spec.width, colors_CC=setup.colors_CC,
            seed=group.seed, steps=steps, progress=on_step,
        )  # fmt: skip

    if not path.is_file():
        setup.folder.mkdir(parents=True, exist_ok=True)
        made, start = ascend(setup.steps), ascend(0)
        atomic_replace(path, lambda stream: np.savez_compressed(stream, made=made, start=start))
    with np.load(path, allow_pickle=False) as stored:
        return stored["made"], stored["start"]
