"""Validation after each epoch: loss and accuracy on unchanged images."""

from __future__ import annotations

import torch

from core.recipes import Optimization
from training.data.preprocessing import one_hot, scale_pixels
from training.data.types import LabelledImages
from training.fit.dtype import autocast
from training.fit.losses import classification_loss
from training.networks import Classifier
from training.run.checkpoint import Dtype

_BATCH = 500


@torch.no_grad()
def score(classifier: Classifier, images: LabelledImages, device: torch.device, dtype: Dtype) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on unchanged images; leaves the classifier in evaluation mode."""
    classifier.eval()
    images_NHWC, labels_N = images.images_NHWC, images.labels_N
    cross_entropy = Optimization(learning_rate=1.0, loss="cross_entropy")
    loss_sum, correct = 0.0, 0
    for start in range(0, len(labels_N), _BATCH):
        batch = slice(start, start + _BATCH)
        pixels_NHWC = scale_pixels(torch.from_numpy(images_NHWC[batch]).to(device))
        with autocast(device, dtype):
            logits_NK = classifier(pixels_NHWC)
        onehot_NK = torch.from_numpy(one_hot(labels_N[batch], logits_NK.shape[1])).to(device)
        loss_sum += classification_loss(logits_NK, onehot_NK, cross_entropy).item() * len(onehot_NK)
        correct += int((logits_NK.argmax(1) == onehot_NK.argmax(1)).sum())
    return loss_sum / len(labels_N), correct / len(labels_N)
