"""Loaded model versions: verifies a version, opens its ONNX graphs, warms them up, and keeps them with their queues."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import CorruptVersionError
from core.images.geometry import ModelInput
from core.repository.integrity import unlisted_files
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS, Calibration, Manifest, Precision
from core.repository.onnx_session import open_session
from core.repository.repository import ModelRepository
from service.engine.arrays import Floats, Pixels, RunModel
from service.engine.gradient_model import GradientGraph
from service.engine.postprocess import with_postprocessing
from service.engine.queue import ModelQueue
from service.errors import PrecisionNotPublishedError, ViewsNotMeasuredError

_HASHED = (".onnx", ".safetensors")
"""Suffixes of files that onnxruntime opens."""


@dataclass(frozen=True)
class ModelVariant:
    """One graph of a loaded version, ready to serve requests.

    Attributes:
        manifest: manifest of the version.
        precision: precision of the graph.
        queue: queue of the graph.
        gradient: gradient graph for explanations, shared by all precisions; None if the version has no gradient.onnx.
    """

    manifest: Manifest
    precision: Precision
    queue: ModelQueue
    gradient: GradientGraph | None = None

    @property
    def family(self) -> str:
        """Name of the model family."""
        return self.manifest.family

    @property
    def version(self) -> int:
        """Version number within the family."""
        return self.manifest.version

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the input images."""
        return self.manifest.input.height, self.manifest.input.width

    @property
    def input(self) -> ModelInput:
        """Size of the input images, and the way other images are fitted to it."""
        spec = self.manifest.input
        return ModelInput(spec.height, spec.width, spec.geometry)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; label k belongs to logit k."""
        return self.manifest.class_names

    @property
    def calibration(self) -> Calibration:
        """Temperature and thresholds of this precision."""
        return self.manifest.calibration[self.precision]

    @property
    def calibration_of_averages(self) -> Calibration:
        """Temperature and thresholds for logits averaged over the views of `core.images.tta_views`.

        Raises:
            ViewsNotMeasuredError: the version was published without them.
        """
        record = self.manifest.averaged_views.get(self.precision)
        if record is None:
            raise ViewsNotMeasuredError(self.manifest.reference)
        return record.calibration


@dataclass(frozen=True)
class LoadedModel:
    """A loaded version with all of its graphs; `preferred` is the precision of requests that name none."""

    manifest: Manifest
    precisions: Mapping[Precision, ModelVariant]
    preferred: Precision = "fp32"

    @property
    def version(self) -> int:
        """Version number within the family."""
        return self.manifest.version

    def variant(self, precision: Precision | None = None) -> ModelVariant:
        """The graph of `precision`. If None: the preferred precision if the version has it, otherwise fp32.

        Raises:
            PrecisionNotPublishedError: the version has no graph of the requested precision.
        """
        found = self.precisions.get(precision or self.preferred)
        if found is not None:
            return found
        if precision is not None:
            raise PrecisionNotPublishedError(self.manifest.reference, precision, list(self.precisions))
        return self.precisions["fp32"]


def load_model(
    repository: ModelRepository,
    family: str,
    version: int,
    *,
    max_batch: int,
    loader: Executor,
    preferred: Precision = "fp32",
) -> LoadedModel:
    """Verify, open and warm up a version. Blocks while it hashes the files and runs the model.

    Args:
        repository: repository that holds the version.
        family: model family.
        version: version number.
        max_batch: largest batch size.
        loader: thread on which the gradient graph is opened when an explanation first needs it.
        preferred: precision of requests that name none.

    Raises:
        UnknownFamilyError, UnknownVersionError: the repository has no such version.
        CorruptVersionError: a file differs from its manifest, or a graph cannot be opened or run.
    """
    manifest = repository.verify(family, version)
    _check_listed(repository, manifest)
    if "fp32" not in manifest.calibration:
        raise CorruptVersionError(f"{manifest.reference}: the manifest has no calibration for fp32")
    folder = repository.folder(family, version)
    gradient = GradientGraph(manifest, folder / GRADIENT_GRAPH, loader) if GRADIENT_GRAPH in manifest.files else None
    return LoadedModel(
        manifest,
        {
            precision: _load_variant(manifest, folder, precision, max_batch, gradient)
            for precision in manifest.calibration
        },
        preferred,
    )


def _check_listed(repository: ModelRepository, manifest: Manifest) -> None:
    """Check that the manifest lists all graphs and weights, so that their hashes were verified."""
    folder = repository.folder(manifest.family, manifest.version)
    unlisted = {GRAPHS[precision] for precision in manifest.calibration} - manifest.files.keys()
    unlisted |= {name for name in unlisted_files(folder, manifest) if name.endswith(_HASHED)}
    if unlisted:
        names = ", ".join(sorted(unlisted))
        raise CorruptVersionError(
            f"{manifest.reference}: the manifest does not list {names}, which would be used unverified"
        )


def _load_variant(
    manifest: Manifest, folder: Path, precision: Precision, max_batch: int, gradient: GradientGraph | None
) -> ModelVariant:
    name = GRAPHS[precision]
    run = _open(manifest, folder / name)
    seconds_per_image = _warm_up(manifest, name, run, max_batch)
    run_batch = with_postprocessing(run, manifest.calibration[precision])
    queue = ModelQueue(manifest.family, manifest.version, run_batch, seconds_per_image, precision)
    return ModelVariant(manifest, precision, queue, gradient)


def _open(manifest: Manifest, path: Path) -> RunModel:
    try:
        # One thread per run: several batches run in parallel instead.
        session = open_session(path, threads=1)
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise _unusable(manifest, path.name, f"cannot be opened ({_first_line(error)})") from error

    def run(images_NHWC: Pixels) -> Floats:
        logits_NK: Floats = session.run(["logits"], {"images": images_NHWC})[0]
        return logits_NK

    return run


def _warm_up(manifest: Manifest, name: str, run: RunModel, max_batch: int) -> float:
    """Run the smallest and the largest batch; returns seconds per image of the largest."""
    elapsed = 0.0
    for images in (1, max_batch):
        shape = (images, manifest.input.height, manifest.input.width, manifest.input.channels)
        started = time.perf_counter()
        try:
            logits_NK = run(np.zeros(shape, np.uint8))
        except Exception as error:  # as above
            raise _unusable(manifest, name, f"cannot be run on images {shape} ({_first_line(error)})") from error
        elapsed = time.perf_counter() - started
        expected = (images, len(manifest.class_names))
        if logits_NK.shape != expected or logits_NK.dtype != np.float32:
            returned = f"{logits_NK.dtype} {logits_NK.shape}"
            raise _unusable(manifest, name, f"returns {returned} instead of float32 {expected}")
    return elapsed / max_batch


def _unusable(manifest: Manifest, name: str, reason: str) -> CorruptVersionError:
    return CorruptVersionError(f"{manifest.reference}: {name} {reason}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
