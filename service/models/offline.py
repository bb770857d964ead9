"""Predictions of many files in this process, with the execution provider and results of the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.batch.files import read_file
from core.batch.rows import Row, predicted
from core.errors import ConfigurationError, ImageError
from core.images.decode import DecodedImage, decode_image
from core.images.limits import configured_max_pixels
from core.repository.manifest import Precision
from core.repository.repository import ModelRepository
from service.engine.loaded_model import ModelVariant, load_model
from service.engine.postprocess import render_prediction
from service.engine.provider_measurements import MeasurementStore
from service.engine.provider_policy import ProviderPolicy, provider_groups
from service.models.sample_images import example_pixels
from service.settings import Settings

BATCH = 32
"""Number of files in a batch."""


class OfflinePredictor:
    """Predicts batches of files; thread-safe."""

    def __init__(self, variant: ModelVariant) -> None:
        self.variant = variant
        self._max_pixels = configured_max_pixels()

    def predict(self, files: Sequence[tuple[str, Path]]) -> list[Row]:
        """One row for each file, in order; at most `BATCH` files."""
        decoded = [(name, self._decoded(path)) for name, path in files]
        images = [image for _, image in decoded if isinstance(image, DecodedImage)]
        predictions = iter(self._predictions(images))
        return [
            predicted(name, next(predictions)) if isinstance(image, DecodedImage) else Row(file=name, error=image)
            for name, image in decoded
        ]

    def _decoded(self, path: Path) -> DecodedImage | str:
        """The decoded image, or the reason why it cannot be read."""
        height, width, geometry = self.variant.input
        try:
            return decode_image(
                read_file(path), height=height, width=width, geometry=geometry, max_pixels=self._max_pixels
            )
        except ImageError as error:
            return str(error)

    def _predictions(self, images: Sequence[DecodedImage]) -> list[dict[str, object]]:
        if not images:
            return []
        variant = self.variant
        outputs = variant.queue.run(np.stack([image.pixels_HWC for image in images]))
        return [
            render_prediction(variant, outputs, row, None, (), 1, variant.calibration) for row in range(len(images))
        ]


@contextmanager
def offline_predictor(
    repository: ModelRepository,
    family: str,
    version: int,
    *,
    precision: Precision | None,
    threads: int,
    settings: Settings,
) -> Iterator[OfflinePredictor]:
    """Load a version for batches of `BATCH` files on `threads` threads at a time.

    Args:
        repository: repository that holds the version.
        family: model family.
        version: version number.
        precision: fp32, bf16 or int8; by default that of DUET_PRECISION.
        threads: number of batches that run at a time.
        settings: settings of the service, for the execution providers.

    Raises:
        ConfigurationError: the version cannot be run in `precision` on this machine.
        CorruptVersionError: a file differs from its manifest, or a graph cannot be opened or run.
    """
    groups = provider_groups(settings.providers)
    versions = [provider.versions for group in groups for provider in group]
    policy = ProviderPolicy(
        groups=groups,
        preferred=precision or settings.precision,
        parallel_runs=threads,
        samples=example_pixels,
        store=MeasurementStore(settings.home / "cache" / "providers", versions),
    )
    with ThreadPoolExecutor(1, thread_name_prefix="loader") as loader:
        try:
            loaded = load_model(repository, family, version, max_batch=BATCH, loader=loader, policy=policy)
            if precision is not None and loaded.default.precision != precision:
                raise ConfigurationError(
                    f"{loaded.manifest.reference} cannot be run in {precision} on this machine: omit --precision, or "
                    f"use {loaded.default.precision}"
                )
            yield OfflinePredictor(loaded.default)
        finally:
            loader.shutdown(cancel_futures=True)
