"""Small valid model versions on disk, repositories with promotions, and the versions that ship."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.files.home import shipped_models
from core.repository.alias_files import ALIASES_NAME, AliasFile
from core.repository.champions import history, promote, rollback
from core.repository.graph_records import Calibration, ParityRecord
from core.repository.manifest import (
    GRADIENT_GRAPH,
    MANIFEST_NAME,
    CostRecord,
    DataRecord,
    EnvironmentRecord,
    FileRecord,
    HeadlineMetrics,
    InputSpec,
    LicenceRecord,
    Manifest,
    file_record,
    read_manifest,
)
from core.repository.repository import ModelRepository

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


def champion(family: str) -> int:
    """Return the shipped champion."""
    return _shipped().champions()[family]


def predecessor(family: str) -> int:
    """Return the newest version before the champion, the target of a rollback."""
    return max(version for version in _shipped().versions(family) if version < champion(family))


def shipped_folder(family: str, version: int) -> Path:
    """Folder of the version's files."""
    return shipped_models() / family / str(version)


def publish_unexplained(models: Path, family: str, version: int) -> None:
    """Copy the predecessor to `models` as another version, without its gradient graph."""
    folder = models / family / str(version)
    shutil.copytree(shipped_folder(family, predecessor(family)), folder)
    (folder / GRADIENT_GRAPH).unlink()
    manifest = read_manifest(folder)
    files = {name: record for name, record in manifest.files.items() if name != GRADIENT_GRAPH}
    other = manifest.model_copy(update={"version": version, "gradient": None, "files": files})
    (folder / MANIFEST_NAME).write_text(other.to_json())


def _shipped() -> ModelRepository:
    shipped = shipped_models()
    return ModelRepository(shipped / "none", shipped)


def make_repository(folder: Path) -> ModelRepository:
    """cnn 1 shipped, cnn 2, 3, 4 and mlp 1 at home; no champions."""
    repository = ModelRepository(folder / "home" / "models", folder / "shipped")
    write_version(repository.shipped / "cnn" / "1", "cnn", 1)
    for family, version in (("cnn", 2), ("cnn", 3), ("cnn", 4), ("mlp", 1)):
        write_version(repository.home_models / family / str(version), family, version)
    return repository


def go_to(repository: ModelRepository, *versions: int, family: str = "cnn") -> None:
    for version in versions:
        promote(repository, family, version, actor="ada", reason=f"try {version}")


def go_back(repository: ModelRepository) -> int | None:
    return rollback(repository, "cnn", actor="bob", reason="worse").to_version


def moves(repository: ModelRepository, family: str | None = None) -> list[tuple[int | None, int | None]]:
    return [(entry.from_version, entry.to_version) for entry in history(repository, family)]
