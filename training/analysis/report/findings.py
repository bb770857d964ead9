"""Everything that the written report says, as plain data; whoever renders it reads nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from core.comparison.pairwise import Pairwise, ProbabilityScores
from core.records.activations import Activations, ModelActivations
from core.records.explanations import Explanations
from core.records.exploration import Exploration
from core.records.latency import Latency
from core.records.mistakes import Mistakes, ModelMistakes, Notable
from core.records.robustness import Robustness, RobustnessDifference
from core.records.studies import AugmentationStudy, Tuning
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import Scores
from core.repository.manifest import Manifest
from training.run.checkpoint import EpochRecord


@dataclass(frozen=True)
class VersionResults:
    """One of the two versions.

    Attributes:
        name: what sentences call it: its family, or its reference where both are of one family.
        manifest: of the version.
        scores: of the float32 graph on the test images.
        probability: what belongs to `scores` with intervals.
        history: of its training.
        robustness: accuracy under changed images.
        explanations: methods and how far to trust them.
        activations: images made for it.
        mistakes: its own.
        surest_mistakes: those it is surest of.
        latency: on the machine that is named there.
        served_bytes: of the float32 graph and its weights.
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

    @property
    def reference(self) -> str:
        """The short name, such as `cnn@3`."""
        return self.manifest.reference


@dataclass(frozen=True)
class Agreement:
    """What it says that two versions agree, or do not.

    Attributes:
        agree: share of the test images to which both give the same answer.
        right_when_agreed: share of those that is right.
        first_right_otherwise: share of the others that the first version answers right.
        second_right_otherwise: as `first_right_otherwise`.
        first_right_when_sure: share that the first version answers right of as many images, those it is surest of.
        second_right_when_sure: as `first_right_when_sure`.
    """

    agree: ConfidenceInterval
    right_when_agreed: ConfidenceInterval | None
    first_right_otherwise: ConfidenceInterval | None
    second_right_otherwise: ConfidenceInterval | None
    first_right_when_sure: ConfidenceInterval | None
    second_right_when_sure: ConfidenceInterval | None


@dataclass(frozen=True)
class Findings:
    """The whole report.

    Attributes:
        first: a version.
        second: the version that it is compared with; differences are first minus second.
        exploration: of the data that both were made from.
        pairwise: both on the same test images.
        robustness: both under each condition; first of all, under all corruptions.
        activations: images made for both.
        mistakes: of both.
        together: what their agreement says.
        tunings: of recipes, on the same data.
        augmentation: studies of augmentation, on the same data.
        quick: whether robustness, interpretation and mistakes are those of a quick look at few images.
    """

    first: VersionResults
    second: VersionResults
    exploration: Exploration
    pairwise: Pairwise
    robustness: tuple[RobustnessDifference, ...]
    activations: Activations
    mistakes: Mistakes
    together: Agreement
    tunings: tuple[Tuning, ...]
    augmentation: tuple[AugmentationStudy, ...]
    quick: bool

    @property
    def sides(self) -> tuple[VersionResults, VersionResults]:
        """Both."""
        return self.first, self.second
