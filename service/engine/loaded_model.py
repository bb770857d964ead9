"""A model version that is loaded and can answer, in one or several precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.images.geometry import ModelInput
from core.repository.manifest import Calibration, Manifest, Precision
from service.engine.gradient_model import GradientGraph
from service.engine.queue import ModelQueue
from service.errors import PrecisionNotPublishedError, ViewsNotMeasuredError


@dataclass(frozen=True)
class ModelVariant:
    """What it takes to turn images into answers in one precision: the manifest for the words, the queue for the
    numbers.

    Attributes:
        manifest: of the version.
        precision: which of its graphs runs.
        queue: that graph's queue.
        gradient: what explains its answers, the same for every precision; None where the version has no gradient.onnx.
    """

    manifest: Manifest
    precision: Precision
    queue: ModelQueue
    gradient: GradientGraph | None = None

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
    def input(self) -> ModelInput:
        """Size of the images it takes, and how others are fitted into it."""
        spec = self.manifest.input
        return ModelInput(spec.height, spec.width, spec.geometry)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; label k belongs to logit k."""
        return self.manifest.class_names

    @property
    def calibration(self) -> Calibration:
        """Temperature and thresholds of the precision that runs."""
        return self.manifest.calibration[self.precision]

    @property
    def calibration_of_averages(self) -> Calibration:
        """The same for logits that are averaged over the views of `core.images.tta_views`.

        Raises:
            ViewsNotMeasuredError: the version was published without them.
        """
        record = self.manifest.averaged_views.get(self.precision)
        if record is None:
            raise ViewsNotMeasuredError(self.manifest.reference)
        return record.calibration


@dataclass(frozen=True)
class LoadedModel:
    """A version with every graph it was published with."""

    manifest: Manifest
    precisions: Mapping[Precision, ModelVariant]

    @property
    def version(self) -> int:
        """Its number within the family."""
        return self.manifest.version

    def variant(self, precision: Precision | None, preferred: Precision) -> ModelVariant:
        """The graph of `precision`; where none is asked for, of the preferred one if the version has it, else fp32.

        Raises:
            PrecisionNotPublishedError: the version was published without the precision asked for.
        """
        found = self.precisions.get(precision or preferred)
        if found is not None:
            return found
        if precision is not None:
            raise PrecisionNotPublishedError(self.manifest.reference, precision, list(self.precisions))
        return self.precisions["fp32"]
