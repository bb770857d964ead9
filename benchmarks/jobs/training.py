"""The training that runs: small, of the real data where there are any, and long enough to be cancelled every time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.pictures import drawn_pictures
from core.images.labelled_folders import DATASETS_NAME, FOLDER_PREFIX

_FOLDER = "drawn"
_CLASSES, _PICTURES_PER_CLASS = 10, 60
_EPOCHS = 10_000


@dataclass(frozen=True)
class Training:
    """What POST /train is sent, and what it is in words."""

    body: dict[str, Any]
    words: str


def small_training(recipe: str, home: Path, data_dir: Path | None) -> Training:
    """A training by a recipe, on CIFAR-10 in `data_dir`, or else on drawn pictures, which are written into `home`."""
    body: dict[str, Any] = {
        "recipe": recipe,
        "promote": "never",
        "overrides": {"epochs": _EPOCHS, "batch_size": 32, "precision": "float32"},
    }
    if data_dir is not None:
        return Training(body | {"data": "cifar10"}, f"{recipe} on CIFAR-10")
    _draw(home / DATASETS_NAME / _FOLDER)
    body |= {"data": FOLDER_PREFIX + _FOLDER, "family": "trained"}
    return Training(body, f"{recipe} on {_CLASSES * _PICTURES_PER_CLASS} drawn pictures")


def _draw(folder: Path) -> None:
    pngs = drawn_pictures(_CLASSES * _PICTURES_PER_CLASS, height=32, width=32).pngs
    for place, png in enumerate(pngs):
        label = folder / f"class {place % _CLASSES}"
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{place}.png").write_bytes(png)
