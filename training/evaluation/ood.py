"""How well a version's energy score tells strange images from the test images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.evaluation import StrangeImages, StrangeKind
from core.repository.manifest import Calibration
from core.statistics.auroc import auroc
from core.statistics.energy import energy
from training.export.run_onnx import predict_logits


def score_strangeness(
    model: Path,
    test_logits_NK: npt.NDArray[np.float32],
    strange: Mapping[StrangeKind, npt.NDArray[np.uint8]],
    calibration: Calibration,
    *,
    threads: int,
) -> tuple[StrangeImages, ...]:
    """Ask the graph about images of each kind and hold their energy against that of the test images.

    Args:
        model: the graph of one precision.
        test_logits_NK: float32 [N, K], its answers to the test images.
        strange: from `ood_images`.
        calibration: of this precision.
        threads: of onnxruntime.
    """
    ordinary_N = energy(test_logits_NK)
    found = []
    for kind, images_NHWC in strange.items():
        energy_M = energy(predict_logits(model, images_NHWC, threads=threads))
        found.append(
            StrangeImages(
                kind=kind,
                images=len(images_NHWC),
                auroc=auroc(ordinary_N, energy_M),
                flag_rate=float((energy_M > calibration.ood_threshold).mean()),
            )
        )
    return tuple(found)
