"""Batch inference with an exported ONNX model. Evaluation uses it, so that it measures the file that is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.repository.onnx_session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_BATCH = 250


def predict_logits(model: Path, images_NHWC: npt.NDArray[np.uint8], *, threads: int) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] of images uint8 [N, H, W, 3] from the graph file `model`, on the CPU."""
    return predict_logits_in(open_session(model, threads=threads), images_NHWC)


def predict_logits_in(session: InferenceSession, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Like `predict_logits`, with an open session."""
    parts = [
        session.run(["logits"], {"images": images_NHWC[start : start + _BATCH]})[0]
        for start in range(0, len(images_NHWC), _BATCH)
    ]
    return np.concatenate(parts)
