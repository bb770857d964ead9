"""What an exported model answers to many images. Evaluation runs the served file, not the torch module."""

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
    """Logits float32 [N, K] of uint8 images [N, H, W, 3] from the graph at `model`, on the CPU."""
    return predict_logits_in(open_session(model, threads=threads), images_NHWC)


def predict_logits_in(session: InferenceSession, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """As `answer`, of a graph that is open already."""
    parts = [
        session.run(["logits"], {"images": images_NHWC[start : start + _BATCH]})[0]
        for start in range(0, len(images_NHWC), _BATCH)
    ]
    return np.concatenate(parts)
