"""Schema of manifest.json: classes, input, provenance, thresholds, costs and file hashes of a model version.

The manifest is the contract between training and serving: the service reads class names, input size and thresholds
here, not from code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from core.files.regular import open_regular, read_regular
from core.repository.graph_records import (
    AveragedViewsRecord,
    Bf16Record,
    Calibration,
    ClassBiasRecord,
    GradientRecord,
    ParityRecord,
    Probability,
    QuantizationRecord,
)
from core.strict_model import StrictModel
from core.text_pattern import TextPattern

MANIFEST_NAME = "manifest.json"

FAMILY_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
FAMILY_RULE = "up to 32 lower-case letters, digits, - and _, starting with a letter"
FamilyName = Annotated[str, TextPattern(FAMILY_PATTERN, f"a family name has {FAMILY_RULE}, such as my-pets")]
VersionReference = Annotated[
    str,
    TextPattern(
        rf"{FAMILY_PATTERN.removesuffix('$')}@[1-9][0-9]{{0,8}}$",
        "a version is named FAMILY@NUMBER, such as cnn@3",
    ),
]
ModelReference = Annotated[
    str,
    TextPattern(
        rf"{FAMILY_PATTERN.removesuffix('$')}(@[1-9][0-9]{{0,8}})?$",
        "a model is named FAMILY for its champion, or FAMILY@NUMBER for a version, such as cnn or cnn@3",
    ),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "bf16", "int8"]
"""Number format of a prediction. bf16 runs the fp32 graph, and is not available on every machine."""
Geometry = Literal["stretch", "crop", "pad"]
"""Fit of an image with another aspect ratio into the input; see `core.images.geometry.fit_image`."""
GRAPHS: Mapping[Precision, str] = MappingProxyType(
    {"fp32": "model.onnx", "bf16": "model.onnx", "int8": "model.int8.onnx"}
)
"""Graph file of each precision; a version has those with a `calibration` entry."""
_WEIGHTS_SUFFIX = ".safetensors"
GRADIENT_GRAPH = "gradient.onnx"
"""Graph for explanations; a version has it if its manifest has a `gradient` record."""
CARD_NAME = "README.md"
FIGURES = "figures"
"""Model card, and folder of its figures."""


class InputSpec(StrictModel):
    """Input of a version: uint8 [N, height, width, channels], RGB.

    `mean` and `std` are per channel on the [0, 1] scale. They are for information: `model.onnx` normalizes its input.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: Literal[3] = 3
    geometry: Geometry = Field(
        "stretch",
        description="fit of an image with another aspect ratio: stretched, cropped to its center, or padded",
    )
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class DataRecord(StrictModel):
    """Images that a version was trained and evaluated on."""

    name: str
    digest: Sha256 = Field(description="sha256 of images and labels of the whole data set, in order")
    split_digest: Sha256 = Field(description="sha256 of the indices that split the training images")
    counts: dict[Literal["train", "validation", "holdout", "test"], int]
    trained_on: tuple[Literal["train", "validation"], ...] = ("train",)
    folder_digest: Sha256 | None = Field(
        None,
        description="version of the image folder, as in GET /datasets/{name}; null in older versions",
    )


class EnvironmentRecord(StrictModel):
    """Machine and libraries that trained a version."""

    duet: str | None = Field(None, description="release of this project; null in older versions")
    python: str
    torch: str
    numpy: str
    onnxruntime: str
    platform: str
    cpu: str
    device: str = Field(description="cpu, or the accelerator's name")
    threads: int = Field(gt=0)
    dtype: Literal["float32", "bfloat16"] = Field(description="compute type of forward and backward passes")


class LicenceRecord(StrictModel):
    """Licenses and origin of data and weights."""

    weights: str
    data: str
    provenance: str


class BackboneRecord(StrictModel):
    """Pretrained weights that a version starts from."""

    name: str = Field(description="name of the network")
    weights: Sha256 = Field(description="sha256 of the file with the weights")
    licence: str = Field(description="terms and origin of the weights")


class CostRecord(StrictModel):
    """Costs of a version: size, inference and training."""

    parameters: int = Field(gt=0)
    macs: int = Field(gt=0, description="multiply-accumulates of one image's forward pass")
    training_seconds: float = Field(
        ge=0, description="wall time of all epochs, without loading data and a teacher's predictions"
    )
    teacher_seconds: float | None = Field(
        default=None,
        ge=0,
        description="wall time of the teacher's predictions, which other runs may share; null: no teacher, or unknown",
    )
    epochs: int = Field(ge=0)

    @property
    def total_seconds(self) -> float:
        """Wall time of the epochs and, if known, of the teacher's predictions."""
        return self.training_seconds + (self.teacher_seconds or 0.0)


class HeadlineMetrics(StrictModel):
    """Main scores of a version; evaluation.json has all."""

    test_accuracy: Probability
    test_macro_f1: Probability
    test_log_loss: float = Field(ge=0)
    test_ece: Probability
    holdout_accuracy: Probability
    validation_accuracy: Probability | None = Field(
        description="null if the version was trained on the validation images"
    )
    corrupted_accuracy: Probability | None = Field(
        default=None, description="mean on holdout images under four kinds of corruption; null: not measured"
    )
    corrupted_flag_rate: Probability | None = Field(
        default=None, description="share of those images flagged as out of distribution; null: not measured"
    )


class FileRecord(StrictModel):
    """Hash and size of one file of a version."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(StrictModel):
    """Content of manifest.json. `files` has every other file of the version folder."""

    schema_version: Literal[1] = 1
    family: FamilyName
    version: int = Field(gt=0)
    created_at: datetime
    architecture: Literal["mlp", "cnn", "imported"] = Field(
        description="kind of network, which decides the explanation methods; imported: an ONNX graph of unknown origin"
    )
    class_names: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    recipe: str
    config: dict[str, Any] = Field(description="full configuration, seed included")
    seed: int
    derived_from: str | None = Field(
        default=None, description="family@version whose weights this version starts from or reuses"
    )
    teachers: dict[str, Sha256] = Field(
        default_factory=dict,
        description="sha256 of the weights of each teacher, by reference; empty without distillation",
    )
    backbone: BackboneRecord | None = Field(default=None, description="null without a pretrained network")
    source_digest: Sha256 = Field(description="sha256 of the source code of core and training")
    data: DataRecord
    environment: EnvironmentRecord
    licence: LicenceRecord
    cost: CostRecord
    calibration: dict[Precision, Calibration]
    class_biases: ClassBiasRecord | None = Field(
        default=None, description="null if not tried: older versions, and holdouts below 10 images"
    )
    averaged_views: dict[Precision, AveragedViewsRecord] = Field(
        default_factory=dict, description="for predictions averaged over views; empty if not measured"
    )
    quantization: QuantizationRecord | None = Field(default=None, description="null if int8 was not tried")
    bf16: Bf16Record | None = Field(
        default=None, description="null if the machine that published the version could not run it in bf16"
    )
    gradient: GradientRecord | None = Field(default=None, description="null if the version has no gradient.onnx")
    metrics: HeadlineMetrics
    parity: ParityRecord
    files: dict[str, FileRecord]

    def calibration_of(self, precision: Precision) -> Calibration:
        """Temperature and thresholds of a precision; bf16 has those of fp32."""
        return self.calibration["fp32" if precision == "bf16" else precision]

    def averaged_views_of(self, precision: Precision) -> AveragedViewsRecord | None:
        """Calibration of averaged views of a precision, or None; bf16 has that of fp32."""
        return self.averaged_views.get("fp32" if precision == "bf16" else precision)

    @property
    def reference(self) -> str:
        """Short name, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    @property
    def served_bytes(self) -> int:
        """Size of the fp32 graph and its weights, in bytes."""
        files = self.files.items()
        return sum(record.bytes for name, record in files if name == GRAPHS["fp32"] or name.endswith(_WEIGHTS_SUFFIX))

    def to_json(self) -> str:
        """Indented JSON with a final newline, as stored."""
        return self.model_dump_json(indent=2) + "\n"


def sha256_of(path: Path) -> str:
    """sha256 of a file, as 64 hexadecimal digits."""
    with open_regular(path) as stream:
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
    return Manifest.model_validate_json(read_regular(folder / MANIFEST_NAME))
