"""Gradient graph of a version (gradient.onnx), opened when an explanation first needs it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np

from core.repository.manifest import Manifest
from core.repository.onnx_session import open_session
from service.engine.arrays import Floats
from service.errors import VersionRefusedError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

log = logging.getLogger("duet.saliency")
_FEATURES = ("features", "feature_gradient")

RUN_SECONDS = 0.004
"""Target duration of one run of an explanation: about as long as a prediction, which may have to wait for it."""
MAX_IMAGES = 8
IDLE_SECONDS = 60.0
"""Idle time after which the graph is closed; it takes as much memory as the prediction graph."""


class Pace:
    """Number of images per run, chosen from the duration of the latest run: 1 for slow models, at most 8."""

    def __init__(self) -> None:
        self.images = 1

    def record(self, images: int, seconds: float) -> None:
        """Record the duration of a run on `images` images."""
        self.images = max(1, min(MAX_IMAGES, int(images * RUN_SECONDS / max(seconds, 1e-9))))


class GradientModel:
    """An open gradient graph. Its methods block and are thread-safe.

    Attributes:
        has_features: whether the graph also returns a feature map and its gradient.
        pace: images per short run of this graph.
        logits_pace: images per short run of the prediction graph.
    """

    def __init__(self, session: InferenceSession) -> None:
        outputs = {output.name for output in session.get_outputs()}
        self.has_features = outputs.issuperset(_FEATURES)
        self.pace = Pace()
        self.logits_pace = Pace()
        self._session = session

    def gradient(self, pixels_NHWC: Floats, target_K: Floats) -> Floats:
        """d(logits . target) / d(pixels), float32 [N, H, W, 3], for pixels in [0, 1]."""
        gradient_NHWC: Floats = self._session.run(["gradient"], _inputs(pixels_NHWC, target_K))[0]
        return gradient_NHWC

    def gradient_and_logits(self, pixels_NHWC: Floats, target_K: Floats) -> tuple[Floats, Floats]:
        """Return the result of `gradient` and the logits float32 [N, K], both from one run."""
        gradient_NHWC, logits_NK = self._session.run(["gradient", "logits"], _inputs(pixels_NHWC, target_K))
        return gradient_NHWC, logits_NK

    def features(self, pixels_NHWC: Floats, target_K: Floats) -> tuple[Floats, Floats]:
        """The last feature map and d(logits . target) / d(feature map), both float32 [N, C, h, w]."""
        features_NCHW, gradient_NCHW = self._session.run(list(_FEATURES), _inputs(pixels_NHWC, target_K))
        return features_NCHW, gradient_NCHW


class GradientGraph:
    """Gradient graph of one loaded version; its session is closed with the version, or when it is idle."""

    def __init__(self, manifest: Manifest, path: Path, loader: Executor) -> None:
        """`loader` is the thread that loads versions; it opens graphs one at a time."""
        self._manifest = manifest
        self._path = path
        self._loader = loader
        self._opening: asyncio.Future[GradientModel] | None = None
        self._closing: asyncio.TimerHandle | None = None

    async def opened(self) -> GradientModel:
        """The open graph; concurrent callers share one opening.

        Raises:
            VersionRefusedError: the graph cannot be opened.
        """
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.get_running_loop().run_in_executor(self._loader, self._open)
        try:
            opened = await asyncio.shield(self._opening)
        except Exception as error:  # onnxruntime has no common base class for its errors
            log.exception("could not open %s of %s", self._path.name, self._manifest.reference)
            reason = f"{self._path.name} cannot be opened ({type(error).__name__})"
            raise VersionRefusedError(self._manifest.family, self._manifest.version, reason) from error
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(IDLE_SECONDS, _close, ref(self))
        return opened

    def _open(self) -> GradientModel:
        return GradientModel(open_session(self._path, threads=1))


def _close(graph: ref[GradientGraph]) -> None:
    """Drop the session; explanations that are using it can finish."""
    idle = graph()
    if idle is not None:
        idle._opening = None


def _inputs(pixels_NHWC: Floats, target_K: Floats) -> dict[str, Floats]:
    return {"pixels": pixels_NHWC, "target": np.tile(target_K, (len(pixels_NHWC), 1))}
