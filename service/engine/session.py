"""Opens one ONNX model for running: single-threaded, checked against its manifest, warmed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import CorruptVersionError
from core.manifest import Manifest, Precision
from core.repository import ModelRepository
from core.sessions import open_session
from service.engine.arrays import Floats, Pixels, RunModel

MODEL_NAME = "model.onnx"
PRECISION: Precision = "fp32"


@dataclass(frozen=True)
class OpenedVersion:
    """A version that has been verified, opened and run once at both ends of the batch sizes.

    Attributes:
        manifest: what the version says of itself.
        run: its model; every call runs on the calling thread alone.
        seconds_per_image: measured at the largest batch, warm.
    """

    manifest: Manifest
    run: RunModel
    seconds_per_image: float


def open_version(repository: ModelRepository, family: str, version: int, *, max_batch: int) -> OpenedVersion:
    """Make a version ready to answer: verify -> open -> warm. Blocks while it hashes, loads and runs the model.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files are not as recorded, or its model does not open or run as its manifest says.
    """
    manifest = repository.verify(family, version)
    if PRECISION not in manifest.calibration:
        raise CorruptVersionError(f"{manifest.reference}: its manifest has no calibration of {PRECISION}")
    run = _opened(manifest, repository.folder(family, version) / MODEL_NAME)
    return OpenedVersion(manifest, run, _warmed(manifest, run, max_batch))


def _opened(manifest: Manifest, path: Path) -> RunModel:
    try:
        # One thread per run: parallelism comes from running several batches, which never wait for each other.
        session = open_session(path, threads=1)
    except Exception as error:  # onnxruntime has no common base for its errors
        raise _unusable(manifest, f"cannot be opened ({_first_line(error)})") from error

    def run(images_NHWC: Pixels) -> Floats:
        logits_NK: Floats = session.run(["logits"], {"images": images_NHWC})[0]
        return logits_NK

    return run


def _warmed(manifest: Manifest, run: RunModel, max_batch: int) -> float:
    """Run the smallest and the largest batch; seconds per image of the latter."""
    elapsed = 0.0
    for images in (1, max_batch):
        shape = (images, manifest.input.height, manifest.input.width, manifest.input.channels)
        started = time.perf_counter()
        try:
            logits_NK = run(np.zeros(shape, np.uint8))
        except Exception as error:  # as above
            raise _unusable(manifest, f"cannot be run on images {shape} ({_first_line(error)})") from error
        elapsed = time.perf_counter() - started
        expected = (images, len(manifest.class_names))
        if logits_NK.shape != expected or logits_NK.dtype != np.float32:
            raise _unusable(manifest, f"answers {logits_NK.dtype} {logits_NK.shape} instead of float32 {expected}")
    return elapsed / max_batch


def _unusable(manifest: Manifest, reason: str) -> CorruptVersionError:
    return CorruptVersionError(f"{manifest.reference}: {MODEL_NAME} {reason}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
