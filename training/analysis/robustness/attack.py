"""The fast gradient sign method: every value moved by a small step in the direction that raises the loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from captum.robust import FGSM

from training.data.preprocessing import scale_pixels
from training.networks import Classifier

EPSILONS = (1, 2, 4, 8)
"""Steps in 1/255 of the range, so that attacked images are whole values again, as the exported graph takes them."""
_BATCH = 100


def attacked(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64], step: int
) -> npt.NDArray[np.uint8]:
    """The images after one step of `step` in every value (Goodfellow et al. 2015), uint8 within 0 to 255.

    Args:
        classifier: the network that is attacked, in evaluation mode on the CPU.
        images_NHWC: uint8 [N, H, W, 3].
        labels_N: true classes, whose cross-entropy is raised.
        step: in 1/255 of the range.
    """
    attack = FGSM(classifier, loss_func=torch.nn.CrossEntropyLoss(reduction="none"), lower_bound=0.0, upper_bound=1.0)
    parts = []
    for start in range(0, len(images_NHWC), _BATCH):
        block = slice(start, start + _BATCH)
        pixels = torch.from_numpy(scale_pixels(images_NHWC[block])).requires_grad_()
        changed = attack.perturb(pixels, epsilon=step / 255, target=torch.from_numpy(labels_N[block]))
        parts.append(np.rint(changed.detach().numpy() * 255).astype(np.uint8))
    return np.concatenate(parts)
