"""A version's gradient.onnx, opened when an explanation first asks for it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.repository.manifest import Manifest
from core.repository.onnx_session import open_session
from service.engine.arrays import Floats
from service.engine.pace import Pace
from service.errors import VersionRefusedError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

log = logging.getLogger("duet.saliency")
_FEATURES = ("features", "feature_gradient")


class GradientModel:
    """An open gradient graph; blocks while it runs, and may be called from several threads at a time.

    Attributes:
        has_features: whether it also answers with a feature map and its gradient.
        pace: how many images make one short run of it.
        logits_pace: the same for the graph that serves predictions.
    """

    def __init__(self, session: InferenceSession) -> None:
        outputs = {output.name for output in session.get_outputs()}
        self.has_features = outputs.issuperset(_FEATURES)
        self.pace = Pace()
        self.logits_pace = Pace()
        self._session = session

    def gradient(self, pixels_NHWC: Floats, target_K: Floats) -> Floats:
        """d(logits . target) / d(pixels), float32 [N, H, W, 3], of pixels in [0, 1]."""
        gradient_NHWC: Floats = self._session.run(["gradient"], _inputs(pixels_NHWC, target_K))[0]
        return gradient_NHWC

    def features(self, pixels_NHWC: Floats, target_K: Floats) -> tuple[Floats, Floats]:
        """The last feature map and d(logits . target) / d(feature map), both float32 [N, C, h, w]."""
        features_NCHW, gradient_NCHW = self._session.run(list(_FEATURES), _inputs(pixels_NHWC, target_K))
        return features_NCHW, gradient_NCHW


class GradientGraph:
    """The gradient graph of one loaded version; whoever drops the version drops the open session with it."""

    def __init__(self, manifest: Manifest, path: Path, loader: Executor) -> None:
        """`loader` opens it; as versions are loaded there too, one at a time, a crowd cannot open many at once."""
        self._manifest = manifest
        self._path = path
        self._loader = loader
        self._opening: asyncio.Future[GradientModel] | None = None

    async def opened(self) -> GradientModel:
        """The graph, opened once however many ask for it at a time.

        Raises:
            VersionRefusedError: it cannot be opened.
        """
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.get_running_loop().run_in_executor(self._loader, self._open)
        try:
            return await asyncio.shield(self._opening)
        except Exception as error:  # onnxruntime has no common base for its errors
            log.exception("could not open %s of %s", self._path.name, self._manifest.reference)
            reason = f"{self._path.name} cannot be opened ({type(error).__name__})"
            raise VersionRefusedError(self._manifest.family, self._manifest.version, reason) from error

    def _open(self) -> GradientModel:
        return GradientModel(open_session(self._path, threads=1))


def _inputs(pixels_NHWC: Floats, target_K: Floats) -> dict[str, Floats]:
    return {"pixels": pixels_NHWC, "target": np.tile(target_K, (len(pixels_NHWC), 1))}
