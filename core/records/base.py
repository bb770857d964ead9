"""What all records have in common: how they are written, read, and name what they speak of."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError, DataError, explain
from core.files.durable import atomic_replace
from core.repository.manifest import Manifest, Sha256

Bools = npt.NDArray[np.bool_]


class Record(BaseModel):
    """Frozen, and strict about its fields, so that a file of another schema is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedModel(Record):
    """The version that a record speaks of; its digest tells it from one of the same number elsewhere."""

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


class ReportedData(Record):
    """The images that a record speaks of: some or all of the test images of a data set, or of the part it names."""

    name: str
    digest: Sha256 = Field(description="of the whole data set")
    images: int = Field(gt=0, description="how many images were used")
    seed: int | None = Field(description="that drew them; null where all were used")


AnyRecord = TypeVar("AnyRecord", bound=Record)


def write_report(path: Path, record: Record) -> None:
    """Write `record` as indented JSON, in one step; folders are made.

    Raises:
        ConfigurationError: the disk refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_replace(path, record.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path} ({error.strerror}); name another folder with --out") from error


def read_report(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read what `write_report` wrote.

    Raises:
        DataError: there is no such file, or it is not a record of this kind.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): make it with `duet interpret` first") from error
    except ValidationError as error:
        raise DataError(f"{path} is not such a record: {explain(error)}; make it again") from error


def pack_bits(values_N: Bools) -> str:
    """Bool [N] as text: one bit per value, packed, in base64."""
    return b64encode(np.packbits(values_N).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> Bools:
    """The bool [count] that `pack_bits` was called with."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8), count=count).astype(np.bool_)
