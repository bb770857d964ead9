"""Agreement of the exported graph with the network it was made from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from core.errors import ExportError
from core.repository.manifest import ParityRecord
from training.data.preprocessing import scale_pixels
from training.networks import Classifier

MAX_LOGIT_DIFFERENCE = 1e-4
_BATCH = 250


@torch.no_grad()
def network_logits(classifier: Classifier, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] of the network itself for uint8 images [N, H, W, 3]; in evaluation mode on the CPU."""
    parts = [
        classifier(scale_pixels(torch.from_numpy(images_NHWC[start : start + _BATCH])))
        for start in range(0, len(images_NHWC), _BATCH)
    ]
    return np.asarray(torch.cat(parts).numpy())


def check_parity(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], exported_NK: npt.NDArray[np.float32]
) -> ParityRecord:
    """Compare the network's logits in float32 with the exported graph's on the same images.

    Args:
        classifier: in evaluation mode on the CPU.
        images_NHWC: uint8 [N, H, W, 3].
        exported_NK: float32 [N, K], what the exported graph answered to them.

    Raises:
        ExportError: a logit differs by more than 1e-4, or an image gets another class.
    """
    logits_NK = network_logits(classifier, images_NHWC)
    difference = float(np.abs(logits_NK - exported_NK).max())
    mismatches = int((logits_NK.argmax(1) != exported_NK.argmax(1)).sum())
    if difference > MAX_LOGIT_DIFFERENCE or mismatches:
        raise ExportError(
            f"the exported graph disagrees with the network on {len(images_NHWC)} images: largest difference of a "
            f"logit {difference:.2e} (allowed {MAX_LOGIT_DIFFERENCE:.0e}), {mismatches} other classes (allowed 0)"
        )
    return ParityRecord(images=len(images_NHWC), max_abs_logit_difference=difference, argmax_mismatches=mismatches)
