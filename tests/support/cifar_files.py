"""Small synthetic data sets in the file format of CIFAR-10, and the real CIFAR-10."""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from training.data.cifar10 import load_cifar10
from training.data.types import ImageDataset

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = 5

# Read once, because tests change the variable.
REAL_FOLDER = os.environ.get("DUET_DATA_DIR")
"""Folder of the real CIFAR-10; None without it."""


def write_cifar_files(
    folder: Path, *, per_class_train: int = 20, per_class_test: int = 5, seed: int = 0
) -> list[tuple[str, str]]:
    """Write data_batch_1 to 5, test_batch and batches.meta to `folder`; returns (name, md5) of each.

    Every class has its own smooth colored pattern plus noise, so that a network can learn it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    contents: dict[str, object] = {}
    train_NCHW, train_labels_N = _images(per_class_train, generator)
    for number, positions in enumerate(np.array_split(np.arange(len(train_labels_N)), BATCHES), start=1):
        contents[f"data_batch_{number}"] = _batch(
            f"training batch {number} of {BATCHES}", train_NCHW[positions], train_labels_N[positions]
        )
    contents["test_batch"] = _batch("testing batch 1 of 1", *_images(per_class_test, generator))
    contents["batches.meta"] = {
        "num_cases_per_batch": len(train_labels_N) // BATCHES,
        "label_names": list(CLASS_NAMES),
        "num_vis": 3072,
    }
    return [(name, write_pickle(folder / name, content)) for name, content in contents.items()]


def write_pickle(path: Path, content: object) -> str:
    """Pickle `content` to `path`; returns the md5 of the file."""
    data = pickle.dumps(content, protocol=2)
    path.write_bytes(data)
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def small_dataset(*, per_class_train: int = 20, per_class_test: int = 5, seed: int = 0) -> ImageDataset:
    """A data set of ten learnable classes, loaded like CIFAR-10."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_cifar_files(
            Path(folder), per_class_train=per_class_train, per_class_test=per_class_test, seed=seed
        )
        return load_cifar10(Path(folder), files=files)


@lru_cache(maxsize=1)
def real_cifar10() -> ImageDataset:
    """The real CIFAR-10 in DUET_DATA_DIR; skips the calling test if it is not set."""
    if not REAL_FOLDER:
        pytest.skip("DUET_DATA_DIR is not set")
    return load_cifar10(Path(REAL_FOLDER))


def _batch(label: str, images_NCHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64]) -> dict[str, object]:
    return {
        "batch_label": label,
        "labels": labels_N.tolist(),
        "data": images_NCHW.reshape(len(images_NCHW), 3072),
        "filenames": [f"image_{position:05}.png" for position in range(len(labels_N))],
    }


def _images(per_class: int, generator: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Shuffled uint8 [10 * per_class, 3, 32, 32] and their int64 labels."""
    labels_N = generator.permutation(np.repeat(np.arange(len(CLASS_NAMES)), per_class))
    patterns_KCHW = np.stack([_pattern(label) for label in range(len(CLASS_NAMES))])
    brightness_N111 = generator.uniform(-20, 20, size=(len(labels_N), 1, 1, 1))
    noise_NCHW = generator.normal(0, 25, size=(len(labels_N), 3, 32, 32))
    pixels_NCHW = patterns_KCHW[labels_N] + brightness_N111 + noise_NCHW
    return np.clip(pixels_NCHW, 0, 255).astype(np.uint8), labels_N


def _pattern(label: int) -> npt.NDArray[np.float64]:
    """Stripes with class-specific direction, width and color, float64 [3, 32, 32]."""
    rows, columns = np.mgrid[0:32, 0:32] / 32
    angle = np.pi * label / len(CLASS_NAMES)
    stripes = np.sin(2 * np.pi * (1 + label % 3) * (rows * np.sin(angle) + columns * np.cos(angle)))
    color_C11 = np.random.default_rng(label).uniform(-1, 1, size=(3, 1, 1))
    return np.asarray(128 + 60 * color_C11 * stripes + 30 * color_C11)
