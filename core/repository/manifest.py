"""manifest.json: what a model version is, where it came from and how it may be used.

The manifest is the contract between the half that trains and the half that serves. The service learns
everything it needs here (class names, input size, thresholds) and nothing from code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.repository.confidence_interval import ConfidenceInterval

SCHEMA_VERSION: Literal[1] = 1
MANIFEST_NAME = "manifest.json"

FAMILY_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
FamilyName = Annotated[str, Field(pattern=FAMILY_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Precision = Literal["fp32", "int8"]
Geometry = Literal["stretch", "crop", "pad"]
"""The fit of an image of other proportions into the input; see `core.images.geometry.fit_image`."""
GRAPHS: Mapping[Precision, str] = MappingProxyType({"fp32": "model.onnx", "int8": "model.int8.onnx"})
"""The file of each precision; a version has those that its manifest has a calibration for."""
_WEIGHTS_SUFFIX = ".safetensors"
GRADIENT_GRAPH = "gradient.onnx"
"""The graph that explanations run; a version has it where its manifest has a `gradient` record."""
CARD_NAME = "README.md"
FIGURES = "figures"
"""The model card, and the folder of its pictures."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Record):
    """The image a version expects: uint8 [N, height, width, channels], RGB.

    `mean` and `std` are per channel on the [0, 1] scale. They are recorded for the reader; the exported
    graph scales and normalizes by itself, so nobody applies them to what is sent to `model.onnx`.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: Literal[3] = 3
    geometry: Geometry = Field(
        "stretch",
        description="how an image of other proportions is fitted: stretched, cropped to its center or padded; versions "
        "published before there was a choice stretch",
    )
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class DataRecord(_Record):
    """Which images a version was trained and judged on."""

    name: str
    digest: Sha256 = Field(description="sha256 over images and labels of the whole data set, in order")
    split_digest: Sha256 = Field(description="sha256 over the indices that divide the training images")
    counts: dict[Literal["train", "validation", "holdout", "test"], int]
    trained_on: tuple[Literal["train", "validation"], ...] = ("train",)


class EnvironmentRecord(_Record):
    """The machine and the libraries a version was made with."""

    duet: str | None = Field(None, description="release of this project; null where that was not written down yet")
    python: str
    torch: str
    numpy: str
    onnxruntime: str
    platform: str
    cpu: str
    device: str = Field(description="cpu, or the accelerator's name")
    threads: int = Field(gt=0)
    dtype: Literal["float32", "bfloat16"] = Field(description="compute type of forward and backward passes")


class LicenceRecord(_Record):
    """Under which terms data and weights may be used, and where they come from."""

    weights: str
    data: str
    provenance: str


class CostRecord(_Record):
    """What a version costs: to store, to run and to have trained."""

    parameters: int = Field(gt=0)
    macs: int = Field(gt=0, description="multiply-accumulates of one image's forward pass")
    training_seconds: float = Field(
        ge=0, description="wall time of all epochs; data load and a teacher's answers excluded"
    )
    teacher_seconds: float | None = Field(
        default=None,
        ge=0,
        description="wall time of the teacher's answers to the training images, which other versions may have learnt "
        "from too; null where there was no teacher, and where the time is not known",
    )
    epochs: int = Field(ge=0)

    @property
    def total_seconds(self) -> float:
        """Wall time of the epochs and, where it is known, of the teacher's answers."""
        return self.training_seconds + (self.teacher_seconds or 0.0)


class Calibration(_Record):
    """Thresholds fitted on the holdout for one precision of a version.

    probabilities = softmax(logits / temperature). The prediction set of an image is every class whose
    probability is at least `conformal_threshold`, and always the most probable one; it holds the true class
    with probability >= `coverage`. The out-of-distribution score is the energy -logsumexp(logits); an
    image is flagged when its score is above `ood_threshold`, which a share `ood_flag_rate` of the holdout is.
    """

    temperature: float = Field(gt=0)
    coverage: Probability
    conformal_threshold: Probability
    ood_threshold: float
    ood_flag_rate: Probability


class ClassBiasRecord(_Record):
    """Class biases that were fitted together with the temperature on the holdout, and whether they are used.

    Log losses are means over the holdout images, each scored by a fit on the other folds. The biases are kept, and
    are part of the weights, where `least_fall` is above 0 by more than rounding (1e-6).
    """

    images: int = Field(gt=0, description="of the holdout")
    folds: int = Field(gt=1)
    log_loss_without: float = Field(ge=0, description="with a temperature alone")
    log_loss_with: float = Field(ge=0, description="with a temperature and class biases")
    least_fall: float = Field(description="one-sided 95 % bound of the mean fall of the log loss, paired t-test")
    kept: bool
    biases: tuple[float, ...] = Field(
        description="added to the bias of the last dense layer, one a class, sum 0; empty where not kept"
    )


class ParityRecord(_Record):
    """Agreement of the exported graph with the network it was made from, on `images` test images."""

    images: int = Field(gt=0)
    max_abs_logit_difference: float = Field(ge=0)
    argmax_mismatches: int = Field(ge=0)


class GradientRecord(_Record):
    """Agreement of gradient.onnx with autograd in float64, on `images` validation, or else training, images.

    The error of an image is ||g - g64|| / ||g64||, g being the gradient with respect to the pixels or to the features,
    whichever is worse. Networks of ReLU and max-pooling are linear in pieces; where an image lies on the border of two
    within the rounding of float32, the graph may answer for the other one. Such images are compared with g64 of the
    piece that the graph chose, which counts as their error, and are counted in `other_pieces`.
    """

    images: int = Field(gt=0)
    max_relative_error: float = Field(ge=0)
    other_pieces: int = Field(ge=0)
    max_other_piece_error: float = Field(
        ge=0, description="largest error of those against g64 of the piece that float64 chooses"
    )
    max_logit_difference: float = Field(ge=0, description="to model.onnx's, relative to the largest logit above 1")
    opset: int = Field(gt=0, description="of ONNX's default operators that the graph needs")


class QuantizationRecord(_Record):
    """The int8 variant of a version: how it was made, what it was measured to cost and to gain, and the verdict.

    `published` is true where model.int8.onnx is part of the version: it was at least 1.5 times faster than the
    float32 graph on the machine that made it, and not inferior on the holdout (the lower end of the 95 % interval of
    the difference in accuracy, int8 minus float32, above -0.5 points).
    """

    method: str
    calibration_images: int = Field(gt=0, description="training images that fixed the ranges of the activations")
    speedup_batch_1: float = Field(gt=0, description="time of the float32 graph over that of int8, one thread")
    speedup_batch_32: float = Field(gt=0)
    holdout_difference: ConfidenceInterval = Field(description="accuracy on the holdout, int8 minus float32")
    published: bool
    verdict: str


class HeadlineMetrics(_Record):
    """The figures that a list of versions shows; evaluation.json has all of them."""

    test_accuracy: Probability
    test_macro_f1: Probability
    test_log_loss: float = Field(ge=0)
    test_ece: Probability
    holdout_accuracy: Probability
    validation_accuracy: Probability | None = Field(description="null where the version trained on those images too")
    corrupted_accuracy: Probability | None = Field(
        default=None, description="on holdout images under four kinds of corruption, their mean; null: not measured"
    )
    corrupted_flag_rate: Probability | None = Field(
        default=None, description="share of those images flagged as out of distribution; null: not measured"
    )


class AveragedViewsRecord(_Record):
    """What one precision of a version does where the logits for several views of an image are averaged."""

    views: int = Field(gt=1, description="mirrored and shifted by a pixel; see core.images.tta_views")
    calibration: Calibration = Field(description="fitted on the averaged logits of the holdout")
    test_accuracy: ConfidenceInterval
    test_log_loss: float = Field(ge=0)
    test_ece: Probability


class FileRecord(_Record):
    """Size in bytes and hash of one file of a version."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(_Record):
    """The whole of manifest.json. `files` names every other file of the version folder."""

    schema_version: Literal[1] = SCHEMA_VERSION
    family: FamilyName
    version: int = Field(gt=0)
    created_at: datetime
    architecture: Literal["mlp", "cnn"] = Field(description="which explanations fit; a family may have any name")
    class_names: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    recipe: str
    config: dict[str, Any] = Field(description="the recipe's full configuration, seed included")
    seed: int
    derived_from: str | None = Field(
        default=None, description="family@version whose weights this one starts from or reuses"
    )
    source_digest: Sha256 = Field(description="sha256 over the source of core and training that made it")
    data: DataRecord
    environment: EnvironmentRecord
    licence: LicenceRecord
    cost: CostRecord
    calibration: dict[Precision, Calibration]
    class_biases: ClassBiasRecord | None = Field(
        default=None, description="null where class biases were not tried: older versions, holdouts below 10 images"
    )
    averaged_views: dict[Precision, AveragedViewsRecord] = Field(
        default_factory=dict, description="for answers averaged over views; empty where that was not measured"
    )
    quantization: QuantizationRecord | None = Field(default=None, description="null where int8 was not tried")
    gradient: GradientRecord | None = Field(default=None, description="null where the version has no gradient.onnx")
    metrics: HeadlineMetrics
    parity: ParityRecord
    files: dict[str, FileRecord]

    @property
    def reference(self) -> str:
        """The version's short name, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    @property
    def served_bytes(self) -> int:
        """Size of the fp32 graph and its weights."""
        files = self.files.items()
        return sum(record.bytes for name, record in files if name == GRAPHS["fp32"] or name.endswith(_WEIGHTS_SUFFIX))

    def to_json(self) -> str:
        """The manifest as it stands on disk: indented JSON with a final newline."""
        return self.model_dump_json(indent=2) + "\n"


def sha256_of(path: Path) -> str:
    """sha256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_record(path: Path) -> FileRecord:
    """Hash and size of one file."""
    return FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `folder`/manifest.json.

    Raises:
        OSError: the file cannot be read.
        pydantic.ValidationError: it is not a manifest of this schema version.
    """
    return Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
