"""Opening of one graph of a version with one execution provider; its output is checked on black images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import CorruptVersionError
from core.repository.manifest import GRAPHS, Manifest, Precision
from core.repository.onnx_session import Provider, find_provider, open_session
from service.engine.arrays import Floats, Pixels, RunModel
from service.engine.batch_sizes import padded


@dataclass(frozen=True)
class OpenGraph:
    """A graph that is ready to serve.

    Attributes:
        provider: the execution provider.
        precision: its precision.
        run: function that runs a batch; thread-safe.
        seconds_per_image: time per image in a large batch.
    """

    provider: Provider
    precision: Precision
    run: RunModel
    seconds_per_image: float


class GraphOpener:
    """Opens the graphs of one version."""

    def __init__(self, manifest: Manifest, folder: Path, *, max_batch: int, parallel_runs: int) -> None:
        """Create the opener without opening a graph.

        Args:
            manifest: manifest of the version.
            folder: folder of the version.
            max_batch: largest batch size.
            parallel_runs: number of batches that run at a time.
        """
        self._manifest = manifest
        self._folder = folder
        self._max_batch = max_batch
        self._parallel_runs = parallel_runs

    def open_cpu(self, precision: Precision) -> OpenGraph:
        """Open a graph with the `cpu` provider, which runs every published graph.

        Raises:
            CorruptVersionError: the graph cannot be opened or run.
        """
        try:
            return self.open(find_provider("cpu"), precision)
        except CorruptVersionError:
            raise
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise self._unusable(GRAPHS[precision], f"cannot be opened ({first_line(error)})") from error

    def open(self, provider: Provider, precision: Precision) -> OpenGraph:
        """Open a graph and run its smallest and its largest batch.

        Raises:
            CorruptVersionError: the graph cannot be run, or returns an array of another shape or dtype.
            Exception: the graph cannot be opened; onnxruntime's errors have no common base class.
        """
        # One thread per run: several batches run in parallel instead.
        session = open_session(
            self._folder / GRAPHS[precision],
            threads=1,
            provider=provider.name,
            precision=precision,
            parallel_runs=self._parallel_runs,
        )

        def run_whole(images_NHWC: Pixels) -> Floats:
            logits_NK: Floats = session.run(["logits"], {"images": images_NHWC})[0]
            return logits_NK

        run: RunModel = padded(run_whole, self._max_batch) if provider.name == "openvino" else run_whole
        seconds = 0.0
        for size in (1, self._max_batch):
            started = time.perf_counter()
            self.run_batch(precision, run, size)
            seconds = time.perf_counter() - started
        return OpenGraph(provider, precision, run, seconds / self._max_batch)

    def run_batch(self, precision: Precision, run: RunModel, images: int) -> None:
        """Run a batch of black images and check the shape and dtype of the output.

        Raises:
            CorruptVersionError: the graph cannot be run, or returns an array of another shape or dtype.
        """
        name, spec = GRAPHS[precision], self._manifest.input
        shape = (images, spec.height, spec.width, spec.channels)
        try:
            logits_NK = run(np.zeros(shape, np.uint8))
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise self._unusable(name, f"cannot be run on images {shape} ({first_line(error)})") from error
        expected = (images, len(self._manifest.class_names))
        if logits_NK.shape != expected or logits_NK.dtype != np.float32:
            returned = f"{logits_NK.dtype} {logits_NK.shape}"
            raise self._unusable(name, f"returns {returned} instead of float32 {expected}")

    def _unusable(self, name: str, reason: str) -> CorruptVersionError:
        return CorruptVersionError(f"{self._manifest.reference}: {name} {reason}")


def first_line(error: Exception) -> str:
    """First line of an error message; the name of the error if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
