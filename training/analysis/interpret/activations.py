"""Images that excite each of two versions most: channels and classes -> ascend -> score by both -> record and files."""

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
from core.records.activations import Activations, MaximisedImage, ModelActivations, NearestImage
from core.records.base import ReportedData, ReportedModel
from core.repository.manifest import GRAPHS, Manifest
from core.statistics.calibration import softmax
from training.analysis.explore.near_duplicates import NearDuplicateIndex
from training.analysis.interpret.fourier import color_matrix
from training.analysis.interpret.maximize import (
    CLASS_OBJECTIVE,
    STEPS,
    Objective,
    block_layers,
    excitations,
    liveliest_channels,
    maximize,
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
"""Of each block."""
QUICK_STEPS = 8
KEPT_PREFIX = ".kept-"
"""Of the names of files that keep the images of a group until all are made."""
_SAMPLE = 500
"""Training images that tell which channels are lively, and how colors vary."""
Pixels = npt.NDArray[np.uint8]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Model:
    """A version, with its network where it is needed."""

    manifest: Manifest
    folder: Path

    @cached_property
    def network(self) -> Classifier:
        """In evaluation mode on the CPU, its weights frozen."""
        return stored_classifier(self.manifest, self.folder).requires_grad_(False)

    def probabilities(self, images_NHWC: Pixels, *, threads: int) -> npt.NDArray[np.float64]:
        """What the version serves, [N, K]."""
        logits_NK = predict_logits(self.folder / GRAPHS["fp32"], images_NHWC, threads=threads)
        return softmax(logits_NK, self.manifest.calibration["fp32"].temperature)


@dataclass(frozen=True)
class Group:
    """Objectives of one layer, or of all classes, that are pursued together with one seed."""

    name: str
    objectives: tuple[Objective, ...]
    seed: int


@dataclass(frozen=True)
class Studio:
    """What all groups of both models are made with.

    Attributes:
        images: the data set.
        index: finds the nearest training image.
        sample_NHWC: training images that tell which channels are lively.
        colors_CC: from `color_matrix`.
        folder: where the PNGs go.
        threads: of onnxruntime.
        quick: few steps, seeds and channels.
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
        """Of gradient ascent."""
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
    """Make and score the images of both models; each is written to `folder` as a PNG as soon as it is made.

    Groups of images that are there already, of the same weights and settings, are taken as they are.

    Args:
        models: each one's images are shown to the other too.
        images: the data set that both were made from.
        folder: where the PNGs go.
        threads: of onnxruntime.
        quick: few steps, seeds and channels.
        progress: is told what is made, how many steps are done and how many there are.

    Raises:
        DataError: the data set has other classes or another image size than a version.
    """
    for model in models:
        require_same_classes(model.manifest, images)
    dataset = images.dataset
    sample_NHWC = dataset.training.images_NHWC[stratified(dataset.training.labels_N, _SAMPLE)]
    studio = Studio(
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
        steps=studio.steps,
        class_objective=CLASS_OBJECTIVE,
        models=(_of_model(first, second, studio, progress), _of_model(second, first, studio, progress)),
    )


def _of_model(model: Model, other: Model, studio: Studio, progress: Progress) -> ModelActivations:
    groups = _groups(model, studio)
    made: list[MaximisedImage] = []
    for done, group in enumerate(groups):
        title = f"{model.manifest.reference} {group.name}, seed {group.seed}"

        def tell(step: int, title: str = title, done: int = done) -> None:
            progress(title, done * studio.steps + step, len(groups) * studio.steps)

        pixels_SHWC, starts_SHWC = _made(model, group, studio, tell)
        made += _scored(model, other, group, pixels_SHWC, starts_SHWC, studio)
    classes = [image for image in made if image.kind == "class"]
    return ModelActivations(
        model=ReportedModel.of(model.manifest),
        other=ReportedModel.of(other.manifest),
        images=tuple(made),
        transfer=float(np.mean([image.other_label == image.name for image in classes])),
        recognised=float(np.mean([image.own_label == image.name for image in classes])),
    )


def _scored(
    model: Model, other: Model, group: Group, pixels_SHWC: Pixels, starts_SHWC: Pixels, studio: Studio
) -> list[MaximisedImage]:
    """The records of a group's images, which are written to files here."""
    training, names = studio.images.dataset.training, studio.images.dataset.class_names
    own_SK, other_SK = (each.probabilities(pixels_SHWC, threads=studio.threads) for each in (model, other))
    positions, similarities = studio.index.nearest(pixels_SHWC)
    after, before = (
        excitations(model.network, torch.from_numpy(scale_pixels(each)), group.objectives).tolist()
        for each in (pixels_SHWC, starts_SHWC)
    )
    records = []
    for s, objective in enumerate(group.objectives):
        of_class = objective.layer is None
        name = names[objective.unit] if of_class else f"{group.name}, channel {objective.unit}"
        parts = (model.manifest.reference, name.replace(", ", ".").replace(" ", "_"), str(group.seed))
        file = ".".join((*parts, *(["quick"] if studio.quick else []), "png"))
        Image.fromarray(pixels_SHWC[s]).save(studio.folder / file)
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


def _groups(model: Model, studio: Studio) -> Sequence[Group]:
    """All classes once for each seed, and the liveliest channels of each block."""
    every = tuple(Objective(unit) for unit in range(len(model.manifest.class_names)))
    groups = [Group("classes", every, seed) for seed in range(QUICK_CLASS_SEEDS if studio.quick else CLASS_SEEDS)]
    _, height, width, _ = studio.sample_NHWC.shape
    pixels = torch.from_numpy(scale_pixels(studio.sample_NHWC))
    for name, layer in block_layers(model.network, height=height, width=width).items():
        channels = liveliest_channels(model.network, pixels, layer, QUICK_CHANNELS if studio.quick else CHANNELS)
        groups.append(Group(name, tuple(Objective(channel, layer) for channel in channels), seed=0))
    return groups


def _made(model: Model, group: Group, studio: Studio, tell: Callable[[int], None]) -> tuple[Pixels, Pixels]:
    """The images of a group, and those that the ascent began with; of an earlier run where its file is there."""
    work = {
        "weights": ReportedModel.of(model.manifest).weights,
        "group": asdict(group),
        "steps": studio.steps,
        "class_objective": CLASS_OBJECTIVE,
    }
    key = hashlib.sha256(json.dumps([work, studio.colors_CC.tolist()], sort_keys=True).encode()).hexdigest()[:16]
    path = studio.folder / f"{KEPT_PREFIX}{key}.npz"
    spec = model.manifest.input

    def ascend(steps: int) -> Pixels:
        return maximize(
            model.network, group.objectives, height=spec.height, width=spec.width, colors_CC=studio.colors_CC,
            seed=group.seed, steps=steps, progress=tell,
        )  # fmt: skip

    if not path.is_file():
        studio.folder.mkdir(parents=True, exist_ok=True)
        made, start = ascend(studio.steps), ascend(0)
        atomic_replace(path, lambda stream: np.savez_compressed(stream, made=made, start=start))
    with np.load(path, allow_pickle=False) as stored:
        return stored["made"], stored["start"]
