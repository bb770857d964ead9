"""Opens a version's ONNX graphs for running: single-threaded, checked against the manifest, warmed."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from core.errors import CorruptVersionError
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS, Manifest, Precision
from core.repository.onnx_session import open_session
from core.repository.repository import ModelRepository
from service.engine.arrays import Floats, Pixels, RunModel
from service.engine.gradient_model import GradientGraph
from service.engine.loaded_model import LoadedModel, ModelVariant
from service.engine.postprocess import with_postprocessing
from service.engine.queue import ModelQueue


def load_model(
    repository: ModelRepository, family: str, version: int, *, max_batch: int, loader: Executor
) -> LoadedModel:
    """Make a version ready to answer: verify -> open -> warm. Blocks while it hashes, loads and runs the model.

    Args:
        repository: that holds it.
        family: its model.
        version: its number.
        max_batch: most images of one run.
        loader: where its gradient graph is opened once an explanation asks for it.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files are not as recorded, or a graph does not open or run as its manifest says.
    """
    manifest = repository.verify(family, version)
    if "fp32" not in manifest.calibration:
        raise CorruptVersionError(f"{manifest.reference}: its manifest has no calibration of fp32")
    folder = repository.folder(family, version)
    gradient = GradientGraph(manifest, folder / GRADIENT_GRAPH, loader) if GRADIENT_GRAPH in manifest.files else None
    return LoadedModel(
        manifest,
        {precision: _served(manifest, folder, precision, max_batch, gradient) for precision in manifest.calibration},
    )


def _served(
    manifest: Manifest, folder: Path, precision: Precision, max_batch: int, gradient: GradientGraph | None
) -> ModelVariant:
    name = GRAPHS[precision]
    run = _opened(manifest, folder / name)
    seconds_per_image = _warmed(manifest, name, run, max_batch)
    run_batch = with_postprocessing(run, manifest.calibration[precision])
    queue = ModelQueue(manifest.family, manifest.version, run_batch, seconds_per_image, precision)
    return ModelVariant(manifest, precision, queue, gradient)


def _opened(manifest: Manifest, path: Path) -> RunModel:
    try:
        # One thread per run: parallelism comes from running several batches, which never wait for each other.
        session = open_session(path, threads=1)
    except Exception as error:  # onnxruntime has no common base for its errors
        raise _unusable(manifest, path.name, f"cannot be opened ({_first_line(error)})") from error

    def run(images_NHWC: Pixels) -> Floats:
        logits_NK: Floats = session.run(["logits"], {"images": images_NHWC})[0]
        return logits_NK

    return run


def _warmed(manifest: Manifest, name: str, run: RunModel, max_batch: int) -> float:
    """Run the smallest and the largest batch; seconds per image of the latter."""
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
            given = f"{logits_NK.dtype} {logits_NK.shape}"
            raise _unusable(manifest, name, f"answers {given} instead of float32 {expected}")
    return elapsed / max_batch


def _unusable(manifest: Manifest, name: str, reason: str) -> CorruptVersionError:
    return CorruptVersionError(f"{manifest.reference}: {name} {reason}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
