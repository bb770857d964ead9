"""Race to a validation accuracy: the recipe, and the training loop of a PyTorch textbook on the same network."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.recipes import RecipeConfig
from training.data.split_dataset import Images
from training.data.types import LabelledImages
from training.fit.inputs import FitInputs
from training.fit.loop import fit
from training.networks import Classifier
from training.networks.layers import seed_dropout
from training.run.checkpoint import EpochRecord
from training.run.rng import generator
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import EpochListener

Epoch = tuple[float, float]
"""Seconds including validation, and validation accuracy."""
_PADDING = 4
"""Pixels of padding for the random crop, as in He et al. 2015."""


def race_figures(epochs: Sequence[Epoch], images: int, target: float) -> dict[str, float]:
    """Return the figures of a race over `images` training images; the seconds to a missed target are NaN."""
    reached = next((number for number, (_, accuracy) in enumerate(epochs, 1) if accuracy >= target), None)
    return {
        "images/s": images / epochs[-1][0],
        "target, %": 100 * target,
        "seconds to it": float("nan") if reached is None else sum(seconds for seconds, _ in epochs[:reached]),
        "epochs": len(epochs),
        "final accuracy, %": 100 * epochs[-1][1],
        "seconds": sum(seconds for seconds, _ in epochs),
    }


def train_recipe(
    classifier: Classifier, config: RecipeConfig, images: Images, target: float, device: torch.device
) -> list[Epoch]:
    """Train with the recipe until the target or the last epoch."""
    epochs: list[Epoch] = []

    class TargetReachedError(Exception):
        pass

    def on_epoch(record: EpochRecord) -> None:
        epochs.append((record.seconds, record.validation_accuracy or 0.0))
        if epochs[-1][1] >= target:
            raise TargetReachedError

    inputs = FitInputs(
        train=images.part("train"),
        validation=images.part("validation"),
        classes=len(images.dataset.class_names),
        data_digest=images.dataset.digest,
        split_digest=images.split.digest,
    )
    with tempfile.TemporaryDirectory() as folder, StudyProgress() as progress:
        reporter, threads = EpochListener(progress, on_epoch), torch.get_num_threads()
        try:
            fit(classifier, config, inputs, Path(folder), reporter=reporter, threads=threads, device=device)
        except TargetReachedError:
            progress.line(f"{config.recipe} has reached {target:.0%} after {len(epochs)} epochs")
    return epochs


def train_plain(
    classifier: Classifier,
    config: RecipeConfig,
    train: LabelledImages,
    validation: LabelledImages,
    device: torch.device,
) -> Iterator[Epoch]:
    """Train for the epochs of the recipe with its batch size; yield each epoch."""
    torch.use_deterministic_algorithms(False)
    torch.manual_seed(config.seed)
    height, width = train.images_NHWC.shape[1:3]
    crop = transforms.RandomCrop((height, width), padding=_PADDING, padding_mode="reflect")
    augment = transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    loader = DataLoader(_ImageDataset(train, augment), config.batch_size, shuffle=True, num_workers=2)
    evaluated = DataLoader(_ImageDataset(validation, transforms.ToTensor()), config.batch_size, num_workers=2)
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
            criterion(_logits(classifier, images_NCHW, device), labels_N.to(device)).backward()
            optimizer.step()
            schedule.step()
        classifier.eval()
        with torch.no_grad():
            correct = sum(
                int((_logits(classifier, images_NCHW, device).argmax(1).cpu() == labels_N).sum())
                for images_NCHW, labels_N in evaluated
            )
        yield time.perf_counter() - started, correct / len(validation)


class _ImageDataset(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: LabelledImages, transform: transforms.Compose | transforms.ToTensor) -> None:
        self._images, self._transform = images, transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._images.images_NHWC[index])
        return self._transform(image), int(self._images.labels_N[index])


def _logits(classifier: Classifier, images_NCHW: Tensor, device: torch.device) -> Tensor:
    logits_NK: Tensor = classifier(images_NCHW.to(device).permute(0, 2, 3, 1))
    return logits_NK
