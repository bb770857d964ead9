"""Batch inference with an exported graph or with its torch network, and the parity check between them.

Evaluation uses the exported graph, so that it measures the file that is served.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from core.errors import ExportError
from core.repository.graph_records import ParityRecord
from core.repository.onnx_session import open_session
from training.data.preprocessing import scale_pixels
from training.networks import Classifier

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_LOGIT_DIFFERENCE = 1e-4
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


@torch.no_grad()
def network_logits(classifier: Classifier, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] of images uint8 [N, H, W, 3] from the torch network, in evaluation mode on the CPU."""
    parts = [
        classifier(scale_pixels(torch.from_numpy(images_NHWC[start : start + _BATCH])))
        for start in range(0, len(images_NHWC), _BATCH)
    ]
    return np.asarray(torch.cat(parts).numpy())


def check_parity(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], exported_NK: npt.NDArray[np.float32]
) -> ParityRecord:
    """Compare the network's logits of images uint8 [N, H, W, 3] with those of the exported graph, float32 [N, K].

    Raises:
        ExportError: a logit differs by more than 1e-4, or a predicted class differs.
    """
    logits_NK = network_logits(classifier, images_NHWC)
    difference = float(np.abs(logits_NK - exported_NK).max())
    mismatches = int((logits_NK.argmax(1) != exported_NK.argmax(1)).sum())
    if difference > MAX_LOGIT_DIFFERENCE or mismatches:
        raise ExportError(
            f"the exported graph disagrees with the network on {len(images_NHWC)} images: largest difference of a "
            f"logit {difference:.2e} (allowed {MAX_LOGIT_DIFFERENCE:.0e}), {mismatches} other classes (allowed 0). "
            "This is a defect of the export: report it with the recipe"
        )
    return ParityRecord(images=len(images_NHWC), max_abs_logit_difference=difference, argmax_mismatches=mismatches)
