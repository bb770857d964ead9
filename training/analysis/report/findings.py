"""Findings of two versions as plain data: the only input of the report's templates."""

from __future__ import annotations

from dataclasses import dataclass

from core.comparison.pairwise import Pairwise, ProbabilityScores
from core.records.explanations import Activations, Explanations, ModelActivations
from core.records.latency import Latency
from core.records.mistakes import Mistakes, ModelMistakes, Notable
from core.records.robustness import Robustness, RobustnessDifference
from core.records.studies import AugmentationStudy, Exploration, Tuning
from core.records.training_fit import TrainingFit
from core.repository.evaluation import Scores
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval
from training.run.checkpoint import EpochRecord


@dataclass(frozen=True)
class Transfer:
    """Shares of images generated for the classes of one version that the other version recognizes.

    Images of one class are not independent. Intervals therefore resample classes, and the test flips signs by class.

    Attributes:
        difference: first minus second, paired by class.
        p: p-value of equal shares.
    """

    first: ConfidenceInterval
    second: ConfidenceInterval
    difference: ConfidenceInterval
    p: float


@dataclass(frozen=True)
class DuplicateEffect:
    """Accuracy on test images with and without a near duplicate among the training images.

    Attributes:
        difference: accuracy on all test images minus that without the duplicates; bootstrap over images.
    """

    on_duplicates: ConfidenceInterval
    without: ConfidenceInterval
    difference: ConfidenceInterval


@dataclass(frozen=True)
class VersionResults:
    """Results of one version.

    Attributes:
        name: name in sentences: the family, or the reference if both versions are of one family.
        scores: scores of the float32 graph on the test images.
        surest_mistakes: mistakes with the highest confidence.
        served_bytes: size of the float32 graph and its weights.
        training_fit: accuracy on unchanged training images; None if it was not recorded.
        duplicates: effect of near duplicates among the test images; None if their positions were not recorded.
    """

    name: str
    manifest: Manifest
    scores: Scores
    probability: ProbabilityScores
    history: tuple[EpochRecord, ...]
    robustness: Robustness
    explanations: Explanations
    activations: ModelActivations
    mistakes: ModelMistakes
    surest_mistakes: tuple[Notable, ...]
    latency: Latency
    served_bytes: int
    training_fit: TrainingFit | None
    duplicates: DuplicateEffect | None

    @property
    def reference(self) -> str:
        """Reference of the version, such as `cnn@3`."""
        return self.manifest.reference


@dataclass(frozen=True)
class Rung:
    """Recorded version of one recipe in the table of recipes.

    Attributes:
        scores: scores of the float32 graph on the test images.
        shipped: False if only the record of the version is kept, in `docs/evidence`.
    """

    manifest: Manifest
    scores: Scores
    shipped: bool


@dataclass(frozen=True)
class Agreement:
    """Accuracies that show if agreement of two versions is a better sign than confidence; None without images.

    Attributes:
        right_when_agreed: accuracy on the test images with the same prediction of both versions.
        second_right_when_sure: accuracy of the second version on its most confident images, as many as these.
    """

    right_when_agreed: ConfidenceInterval | None
    second_right_when_sure: ConfidenceInterval | None


@dataclass(frozen=True)
class Findings:
    """Findings of two versions.

    Attributes:
        second: second version; differences are first minus second.
        robustness: differences for each condition; the first one is the mean over all corruptions.
        quick: True if robustness, interpretation and mistakes were measured on few images.
        ladder: recorded version of each recipe; only the findings page has them.
    """

    first: VersionResults
    second: VersionResults
    exploration: Exploration
    pairwise: Pairwise
    robustness: tuple[RobustnessDifference, ...]
    activations: Activations
    mistakes: Mistakes
    together: Agreement
    transfer: Transfer
    tunings: tuple[Tuning, ...]
    augmentation: tuple[AugmentationStudy, ...]
    quick: bool
    ladder: tuple[Rung, ...] = ()

    @property
    def sides(self) -> tuple[VersionResults, VersionResults]:
        """Both versions, the first one first."""
        return self.first, self.second
