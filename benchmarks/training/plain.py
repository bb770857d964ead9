"""The reference: the training loop of a PyTorch textbook.

The same network with the same first weights; a DataLoader with two workers and torchvision's transforms, picture by
picture; float32; SGD with Nesterov momentum for a convolutional network and Adam for a plain one, cosine decay.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.recipes import RecipeConfig
from training.data.types import LabelledImages
from training.networks import Classifier
from training.networks.layers import seed_dropout
from training.run.rng import generator

_REACH = 4
"""Pixels of padding around the picture that is cropped, as in He et al. 2015."""


@dataclass(frozen=True)
class PlainEpoch:
    """What an epoch took, validation included, and what it reached."""

    seconds: float
    training_seconds: float
    accuracy: float


def plain_epochs(
    classifier: Classifier,
    config: RecipeConfig,
    train: LabelledImages,
    validation: LabelledImages,
    *,
    device: torch.device,
    workers: int = 2,
) -> Iterator[PlainEpoch]:
    """Train for the recipe's number of epochs at its batch size; yields after each."""
    changed = [transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    height, width = train.images_NHWC.shape[1:3]
    crop = transforms.RandomCrop((height, width), padding=_REACH, padding_mode="reflect")
    torch.manual_seed(config.seed)
    loader = DataLoader(
        _Pictures(train, transforms.Compose([crop, *changed])), config.batch_size, shuffle=True, num_workers=workers
    )
    judged = DataLoader(_Pictures(validation, transforms.ToTensor()), config.batch_size, num_workers=workers)
    optimizer: torch.optim.Optimizer
    if config.network.kind == "cnn":
        optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    else:
        optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs * len(loader))
    criterion = nn.CrossEntropyLoss()
    seed_dropout(classifier, generator(config.seed, device=device))
    for _ in range(config.epochs):
        started = time.perf_counter()
        classifier.train()
        for images_NCHW, labels_N in loader:
            optimizer.zero_grad()
            loss = criterion(_logits(classifier, images_NCHW, device), labels_N.to(device))
            loss.backward()
            optimizer.step()
            schedule.step()
        trained = time.perf_counter() - started
        accuracy = _accuracy(classifier.eval(), judged, device)
        yield PlainEpoch(time.perf_counter() - started, trained, accuracy)


class _Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: LabelledImages, change: transforms.Compose | transforms.ToTensor) -> None:
        self._images = images
        self._change = change

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._images.images_NHWC[index])
        return self._change(picture), int(self._images.labels_N[index])


def _logits(classifier: Classifier, images_NCHW: Tensor, device: torch.device) -> Tensor:
    logits_NK: Tensor = classifier(images_NCHW.to(device).permute(0, 2, 3, 1))
    return logits_NK


@torch.no_grad()
def _accuracy(classifier: Classifier, judged: DataLoader[tuple[Tensor, int]], device: torch.device) -> float:
    right = seen = 0
    for images_NCHW, labels_N in judged:
        right += int((_logits(classifier, images_NCHW, device).argmax(1).cpu() == labels_N).sum())
        seen += len(labels_N)
    return right / seen
