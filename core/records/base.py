"""Base of all analysis records: reading, writing, version and data fields, packed booleans, display names."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from core.errors import ConfigurationError, DataError, explain
from core.files.durable import atomic_replace
from core.files.regular import read_regular
from core.repository.manifest import Manifest, Sha256
from core.strict_model import StrictModel

Bools = npt.NDArray[np.bool_]


class ReportedModel(StrictModel):
    """Version of a record; the weights' digest distinguishes versions with the same number in other homes."""

    family: str
    version: int
    architecture: str
    weights: Sha256 = Field(description="sha256 of weights.safetensors")

    @property
    def reference(self) -> str:
        """The short name, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    @classmethod
    def of(cls, manifest: Manifest) -> ReportedModel:
        """The version that `manifest` describes."""
        return cls(
            family=manifest.family,
            version=manifest.version,
            architecture=manifest.architecture,
            weights=manifest.files["weights.safetensors"].sha256,
        )


class ReportedData(StrictModel):
    """Images of a record: some or all test images of a data set, or of the part in `name`."""

    name: str
    digest: Sha256 = Field(description="of the whole data set")
    images: int = Field(gt=0, description="number of images used")
    seed: int | None = Field(description="seed of the sample; null if all images were used")


AnyRecord = TypeVar("AnyRecord", bound=StrictModel)


def write_report(path: Path, record: StrictModel) -> None:
    """Write `record` as indented JSON, atomically; missing folders are created.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_replace(path, record.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path} ({error.strerror}): name another folder with --out") from error


def read_report(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read a record.

    Raises:
        DataError: there is no such file, or it is not a record of this kind.
    """
    try:
        return kind.model_validate_json(read_regular(path))
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): make it with `duet interpret` first") from error
    except ValidationError as error:
        raise DataError(f"{path} is not a valid record: {explain(error)}: make it again") from error


def pack_bits(values_N: Bools) -> str:
    """Bool [N] as text: one bit per value, packed, in base64."""
    return b64encode(np.packbits(values_N).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> Bools:
    """Inverse of `pack_bits`; returns bool [count]."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8), count=count).astype(np.bool_)


_OWN: Mapping[str, str] = MappingProxyType(
    {"fgsm": "FGSM", "grad_cam": "Grad-CAM", "input_x_gradient": "input x gradient", "smoothgrad": "SmoothGrad"}
)


def plain(name: str) -> str:
    """Display name of a name in records, such as Grad-CAM for grad_cam."""
    return _OWN.get(name, name.replace("_", " "))
