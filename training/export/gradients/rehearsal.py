"""Rehearsal of the export: graphs of the untrained network are exported and checked before training."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training.export.gradients.check import check_gradient
from training.export.gradients.graph import export_gradient
from training.export.to_onnx import export_model
from training.networks import Classifier
from training.networks.init import initialize, whiten

_IMAGES = 4


def rehearse_export(classifier: Classifier, images_NHWC: npt.NDArray[np.uint8]) -> None:
    """Export a copy of the network with random weights and check its graphs on a few images.

    A network that cannot be exported fails within seconds instead of after hours of training.

    Args:
        classifier: the network; it is not changed.
        images_NHWC: uint8 [N, H, W, 3], training images; the first four are used.

    Raises:
        ExportError: a graph cannot be written or disagrees with the network.
    """
    trial = copy.deepcopy(classifier).cpu()
    initialize(trial, torch.Generator().manual_seed(0))
    some_NHWC = images_NHWC[:_IMAGES]
    whiten(trial, torch.from_numpy(some_NHWC))
    trial.eval()
    _, height, width, _ = some_NHWC.shape
    with tempfile.TemporaryDirectory() as folder:
        export_model(trial, Path(folder), height=height, width=width)
        export_gradient(trial, Path(folder), height=height, width=width)
        check_gradient(Path(folder), trial, some_NHWC, threads=1)
