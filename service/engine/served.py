"""A model version that is loaded and can answer."""

from __future__ import annotations

from dataclasses import dataclass

from core.manifest import Calibration, Manifest, Precision
from service.engine.lane import Lane


@dataclass(frozen=True)
class ServedVersion:
    """What it takes to turn images into answers: the manifest for the words, the lane for the numbers."""

    manifest: Manifest
    precision: Precision
    lane: Lane

    @property
    def family(self) -> str:
        """The model's name."""
        return self.manifest.family

    @property
    def version(self) -> int:
        """Its number within the family."""
        return self.manifest.version

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the images it takes."""
        return self.manifest.input.height, self.manifest.input.width

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; label k belongs to logit k."""
        return self.manifest.class_names

    @property
    def calibration(self) -> Calibration:
        """Temperature and thresholds of the precision that runs."""
        return self.manifest.calibration[self.precision]
