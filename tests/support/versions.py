"""Small valid model versions on disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.repository.alias_files import ALIASES_NAME, AliasFile
from core.repository.manifest import (
    MANIFEST_NAME,
    Calibration,
    CostRecord,
    DataRecord,
    EnvironmentRecord,
    FileRecord,
    HeadlineMetrics,
    InputSpec,
    LicenceRecord,
    Manifest,
    ParityRecord,
    file_record,
)

CREATED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEFAULT_FILES: Mapping[str, bytes] = {"model.onnx": b"not a graph", "README.md": b"# A model of the tests\n"}


def make_manifest(family: str = "cnn", version: int = 1, **fields: Any) -> Manifest:
    """A valid manifest of a three-class model of 8x8 images; `fields` replace whole manifest fields.

    `files` is empty unless given: see `write_version` for a folder whose files match its manifest.
    """
    values: dict[str, Any] = {
        "family": family,
        "version": version,
        "created_at": CREATED_AT,
        "architecture": "mlp" if family == "mlp" else "cnn",
        "class_names": ("ant", "bee", "cow"),
        "input": InputSpec(height=8, width=8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        "recipe": f"{family}_of_the_tests",
        "config": {"seed": 7},
        "seed": 7,
        "source_digest": "a" * 64,
        "data": DataRecord(
            name="tiny",
            digest="b" * 64,
            split_digest="c" * 64,
            counts={"train": 40, "validation": 5, "holdout": 5, "test": 10},
        ),
        "environment": EnvironmentRecord(
            python="3.11.0",
            torch="2.9.0",
            numpy="2.1.0",
            onnxruntime="1.23.0",
            platform="Linux",
            cpu="a processor",
            device="cpu",
            threads=2,
            dtype="float32",
        ),
        "licence": LicenceRecord(weights="Apache-2.0", data="none", provenance="made by the tests"),
        "cost": CostRecord(parameters=579, macs=576, training_seconds=1.5, epochs=2),
        "calibration": {
            "fp32": Calibration(
                temperature=1.25, coverage=0.9, conformal_threshold=0.2, ood_threshold=-1.0, ood_flag_rate=0.05
            )
        },
        "metrics": HeadlineMetrics(
            test_accuracy=0.9,
            test_macro_f1=0.89,
            test_log_loss=0.3,
            test_ece=0.02,
            holdout_accuracy=0.91,
            validation_accuracy=0.92,
        ),
        "parity": ParityRecord(images=10, max_abs_logit_difference=1e-6, argmax_mismatches=0),
        "files": {},
    }
    return Manifest.model_validate(values | fields)


def write_files(folder: Path, files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """Write `files` (relative name -> content) under `folder`; return their records for a manifest."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {name: file_record(folder / name) for name in files}


def write_aliases(models: Path, **champions: int) -> None:
    """Write the aliases.json of the layer `models` with these champions."""
    models.mkdir(parents=True, exist_ok=True)
    (models / ALIASES_NAME).write_text(AliasFile(champions=champions).model_dump_json(), encoding="utf-8")


def write_version(
    folder: Path,
    family: str = "cnn",
    version: int = 1,
    *,
    extra_files: Mapping[str, bytes] | None = None,
    **manifest_fields: Any,
) -> Manifest:
    """Write a complete version to `folder` (`.../<family>/<version>`) and return its manifest.

    Its files are `DEFAULT_FILES`, replaced or extended by `extra_files`.
    """
    files = write_files(folder, {**DEFAULT_FILES, **(extra_files or {})})
    manifest = make_manifest(family, version, files=files, **manifest_fields)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest
