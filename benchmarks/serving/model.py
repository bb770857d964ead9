"""The model under test, by its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.pictures import Pixels
from core.repository.manifest import GRAPHS, Manifest, Precision
from core.repository.onnx_session import open_session
from core.repository.repository import ModelRepository


@dataclass(frozen=True)
class Model:
    """A version that every server under test serves: its manifest and folder, and the layer that it lies in."""

    manifest: Manifest
    folder: Path
    layer: Path
    champions: tuple[str, ...]

    def graph(self, precision: Precision) -> Path:
        """The file that onnxruntime opens for a precision."""
        return self.folder / GRAPHS[precision]

    def has(self, precision: Precision) -> bool:
        """Whether the version was published with this precision."""
        return precision in self.manifest.calibration and self.graph(precision).is_file()

    def labels(self, precision: Precision, images_NHWC: Pixels) -> list[str]:
        """What the graph calls each image, by onnxruntime in this process.

        Args:
            precision: which graph.
            images_NHWC: uint8 [N, H, W, 3] of the model's input size.
        """
        session = open_session(self.graph(precision), threads=1)
        logits_NK = session.run(None, {"images": images_NHWC})[0]
        return [self.manifest.class_names[index] for index in np.argmax(logits_NK, axis=1)]


def find_model(family: str, models: Path) -> Model:
    """The champion of `family` in the folder `models`.

    Raises:
        BenchmarkError: there is none.
        RepositoryError: the folder is damaged.
    """
    # No home: what is measured is what lies in `models` and nothing that was published elsewhere.
    repository = ModelRepository(home_models=models / "none", shipped=models)
    champions = repository.champions()
    if family not in champions:
        raise BenchmarkError(f"{models} has no champion of {family}: name a folder of versions with --models")
    version = champions[family]
    manifest = repository.verify(family, version)
    return Model(manifest, repository.folder(family, version), models, tuple(sorted(champions)))
