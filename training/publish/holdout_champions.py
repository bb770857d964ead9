"""Content keys of a version's images, and the champions' predictions of its holdout, for the promotion gate.

The gate compares versions of a changed data set on images that neither was trained on. The service that runs the gate
does not read these images, so the champions predict the new holdout when the version is published.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.errors import DataError, RepositoryError
from core.gate.best_champion import best_champion
from core.repository.image_keys import (
    IMAGE_KEYS_NAME,
    HoldoutPredictions,
    ImageKeys,
    load_image_keys,
    save_champion_predictions,
    save_image_keys,
)
from core.repository.manifest import GRAPHS, Geometry, Manifest
from core.repository.repository import ModelRepository
from core.statistics.calibration import softmax
from training.data.load import load_images
from training.data.split_dataset import Images, TrainingPart
from training.data.types import LabelledImages
from training.export.run_onnx import predict_logits


def write_image_keys(
    folder: Path,
    images: Images,
    trained_on: tuple[TrainingPart, ...],
    repository: ModelRepository,
    derived_from: str | None,
) -> None:
    """Write images.npz to the version folder, unless the data set never changes.

    Images of the parts `trained_on`, and those that the version `derived_from` was trained on, count as trained on.
    """
    trained_N, holdout_N = images.part(*trained_on).keys_N, images.part("holdout").keys_N
    if trained_N is None or holdout_N is None:
        return
    if derived_from is not None:
        start = repository.folder(*repository.resolve(derived_from))
        if (start / IMAGE_KEYS_NAME).is_file():
            trained_N = np.concatenate([trained_N, load_image_keys(start).trained])
    save_image_keys(folder, ImageKeys(np.unique(trained_N), holdout_N))


def write_champion_predictions(
    folder: Path,
    images: Images,
    geometry: Geometry,
    repository: ModelRepository,
    family: str,
    *,
    threads: int,
    note: Callable[[str], None],
) -> None:
    """Write the predictions of the champion and of the most accurate champion so far to the version folder.

    Nothing is written if the versions have the same holdout, or cannot be compared by image keys. A champion that
    cannot be run is left out with a note.
    """
    predictions: dict[str, HoldoutPredictions] = {}
    for version in _champions(repository, family, note) if images.dataset.training.keys_N is not None else ():
        try:
            manifest = repository.verify(family, version)
            if _needs_predictions(manifest, images):
                graph = repository.folder(family, version) / GRAPHS["fp32"]
                predictions[manifest.reference] = _predict(manifest, graph, images, geometry, threads=threads)
        except (DataError, RepositoryError) as error:
            note(f"{family}@{version} cannot predict the holdout images: {error}")
    if predictions:
        save_champion_predictions(folder, predictions)


def _champions(repository: ModelRepository, family: str, note: Callable[[str], None]) -> tuple[int, ...]:
    """The champion and the most accurate champion so far, without duplicates; empty without a champion."""
    try:
        champion = repository.champion(family)
        if champion is None:
            return ()
        return tuple(dict.fromkeys((champion, best_champion(repository, family, champion))))
    except RepositoryError as error:
        note(f"the champions of {family} cannot predict the holdout images: {error}")
        return ()


def _needs_predictions(manifest: Manifest, images: Images) -> bool:
    data, dataset = manifest.data, images.dataset
    same = (data.digest, data.split_digest) == (dataset.digest, images.split.digest)
    return data.name == dataset.name and not same and IMAGE_KEYS_NAME in manifest.files


def _predict(
    manifest: Manifest, graph: Path, images: Images, geometry: Geometry, *, threads: int
) -> HoldoutPredictions:
    holdout = _fitted_holdout(manifest, images, geometry)
    if holdout.keys_N is None:
        raise DataError(f"{images.dataset.name} is not a folder of images")
    logits_NK = predict_logits(graph, holdout.images_NHWC, threads=threads)
    probabilities_NK = softmax(logits_NK, manifest.calibration["fp32"].temperature).astype(np.float32)
    return HoldoutPredictions(holdout.keys_N, probabilities_NK)


def _fitted_holdout(manifest: Manifest, images: Images, geometry: Geometry) -> LabelledImages:
    """The holdout images in the size and geometry of the version's input."""
    spec = manifest.input
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    if (height, width, geometry) == (spec.height, spec.width, spec.geometry):
        return images.part("holdout")
    return load_images(images.dataset.name, image_size=spec.height, geometry=spec.geometry).part("holdout")
