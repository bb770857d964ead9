"""Inputs of the benchmarks: the model under test and drawn images as PNG files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common.report import BenchmarkError
from core.repository.graph_records import ProviderName
from core.repository.manifest import GRAPHS, Manifest, Precision
from core.repository.onnx_session import installed_providers, open_session
from core.repository.repository import ModelRepository

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Pixels = npt.NDArray[np.uint8]
_TILES, _GRAIN = 8, 3.5
"""Number of coarse tiles per side, and standard deviation of the noise: PNG files are as long as those of CIFAR-10."""


@dataclass(frozen=True)
class Images:
    """N images: `images_NHWC` uint8 [N, H, W, 3], and each of them as a PNG file."""

    images_NHWC: Pixels
    pngs: tuple[bytes, ...]


class Engine(NamedTuple):
    """An execution provider in a precision."""

    provider: ProviderName
    precision: Precision

    def __str__(self) -> str:
        return f"{self.provider} {self.precision}"

    def open(self, folder: Path) -> InferenceSession:
        """Open the graph of the version in `folder` with one thread."""
        return open_session(
            folder / GRAPHS[self.precision], threads=1, provider=self.provider, precision=self.precision
        )


CPU = Engine("cpu", "fp32")
"""The engine of onnxruntime without plugins and settings."""


@dataclass(frozen=True)
class Model:
    """The version that all servers under test serve; `models` is the folder that contains it."""

    manifest: Manifest
    folder: Path
    models: Path
    champions: tuple[str, ...]

    def graph(self, precision: Precision) -> Path:
        """Return the ONNX file of a precision."""
        return self.folder / GRAPHS[precision]

    def engines(self) -> tuple[Engine, ...]:
        """Return all engines that can run the version on this machine, `cpu` in fp32 first."""
        return tuple(
            Engine(provider.name, precision)
            for provider in installed_providers()
            for precision in get_args(Precision)
            if precision in provider.precisions and self.graph(precision).is_file()
        )

    def labels(self, engine: Engine, images_NHWC: Pixels) -> list[str]:
        """Predict the label of each image with onnxruntime in this process; images uint8 [N, H, W, 3]."""
        session = engine.open(self.folder)
        logits_NK = session.run(None, {"images": images_NHWC})[0]
        return [self.manifest.class_names[index] for index in np.argmax(logits_NK, axis=1)]

    def draw_images(self, count: int) -> Images:
        """Draw images in the input size of the model."""
        return draw_images(count, height=self.manifest.input.height, width=self.manifest.input.width)


def find_model(family: str, models: Path) -> Model:
    """Return the champion of `family` in the folder `models`.

    Raises:
        BenchmarkError: the family has no champion.
        RepositoryError: the folder is damaged.
    """
    repository = ModelRepository(home_models=models / "none", shipped=models)
    champions = repository.champions()
    if family not in champions:
        raise BenchmarkError(f"{models} has no champion of {family}: pass a folder of model versions with --models")
    version = champions[family]
    manifest = repository.verify(family, version)
    return Model(manifest, repository.folder(family, version), models, tuple(sorted(champions)))


def draw_images(count: int, *, height: int, width: int, seed: int = 0) -> Images:
    """Draw `count` distinct images: smooth colors with noise."""
    generator = np.random.default_rng(seed)
    tiles_NHWC = generator.integers(40, 216, (count, _TILES, _TILES, 3), np.uint8)
    bicubic = Image.Resampling.BICUBIC
    smooth = [np.asarray(Image.fromarray(tiles).resize((width, height), bicubic)) for tiles in tiles_NHWC]
    noise_NHW1 = generator.normal(0, _GRAIN, (count, height, width, 1))
    images_NHWC = np.clip(np.stack(smooth) + noise_NHW1, 0, 255).astype(np.uint8)
    return Images(images_NHWC, tuple(map(_png, images_NHWC)))


def _png(image_HWC: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image_HWC).save(stream, "PNG")
    return stream.getvalue()
