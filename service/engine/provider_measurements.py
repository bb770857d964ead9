"""Measurements of execution providers, stored in DUET_HOME by version, machine and package versions."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import Field, ValidationError

from core.cpu import cpu_name
from core.files.durable import atomic_replace
from core.repository.graph_records import ProviderName
from core.repository.manifest import Manifest, Precision
from core.strict_model import StrictModel
from service.engine.provider_check import LIMITS

log = logging.getLogger("duet.models")
MAX_FILES = 64
"""Number of files that are kept; the oldest are deleted."""
_IDENTITY = (".onnx", ".safetensors")


class Measurement(StrictModel):
    """Result of one provider in one precision; it passed the check if `refused` is None."""

    provider: ProviderName
    precision: Precision
    images_per_second: float | None = Field(None, gt=0)
    equal_classes: float | None = None
    max_difference: float | None = None
    refused: str | None = None


class Measurements(StrictModel):
    """All measurements of a version.

    Attributes:
        references: probabilities of the `cpu` provider by graph file, [64][K] each.
        results: measurements of each provider and precision.
        published: precisions whose graph was run on the `cpu` provider only to check that it runs.
    """

    references: Mapping[str, tuple[tuple[float, ...], ...]] = Field(default_factory=dict)
    results: tuple[Measurement, ...] = ()
    published: tuple[Precision, ...] = ()


class MeasurementStore:
    """Folder of measurements. If it cannot be written, each process measures again."""

    def __init__(self, folder: Path, versions: Sequence[str]) -> None:
        """`versions` are the package versions of all providers."""
        self._folder = folder
        limits = {precision: asdict(each) for precision, each in LIMITS.items()}
        self._conditions = [limits, cpu_name(), sorted(versions)]
        self._reported = False

    def read(self, manifest: Manifest) -> Measurements:
        """Return the measurements of a version; empty if none match its files, the limits, packages and machine."""
        try:
            return Measurements.model_validate_json(self._path(manifest).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValidationError) as error:
            log.warning("cannot read the measurements of %s, measuring again: %s", manifest.reference, error)
        return Measurements()

    def write(self, manifest: Manifest, measurements: Measurements) -> None:
        """Store the measurements of a version and delete the oldest files."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_replace(self._path(manifest), measurements.model_dump_json().encode())
            newest_first = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in newest_first[MAX_FILES:]:
                path.unlink(missing_ok=True)
        except OSError as error:  # also if another process deletes a file at the same time
            if not self._reported:
                log.info("cannot store measurements of providers, each start measures again: %s", error.strerror)
            self._reported = True

    def _path(self, manifest: Manifest) -> Path:
        graphs = {name: record.sha256 for name, record in manifest.files.items() if name.endswith(_IDENTITY)}
        temperatures = {name: each.temperature for name, each in manifest.calibration.items()}
        identity = json.dumps([self._conditions, graphs, temperatures], sort_keys=True)
        return self._folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
