"""One small complete version of each family, trained on synthetic images.

They are trained once per session, in the session's folder, which the workers of pytest-xdist share with a file lock.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.training_runs import CPU, RecordingReporter, small_images, small_recipe, train_version
from training.data.split_dataset import Images

FAMILIES = ("mlp", "cnn")


@dataclass(frozen=True)
class PublishedPair:
    """Both versions, their images and their repository."""

    repository: ModelRepository
    images: Images
    mlp: Manifest
    cnn: Manifest

    def folder(self, manifest: Manifest) -> Path:
        return self.repository.folder(manifest.family, manifest.version)


def published_pair(factory: pytest.TempPathFactory) -> PublishedPair:
    """Return the session's pair, trained at the first call of any worker; a test must not write to its folders."""
    base = factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home = session / "published_pair"
    with FileLock(session / "published_pair.lock"):
        if not home.exists():
            staging = session / "published_pair.staging"
            shutil.rmtree(staging, ignore_errors=True)
            _train(_repository(staging), staging / "runs")
            staging.rename(home)
    return _read(home)


def copied_pair(pair: PublishedPair, home: Path) -> PublishedPair:
    """Copy the pair to a home that a test may write to; it has no champion."""
    shutil.copytree(pair.repository.home_models, home / "models")
    return _read(home)


def _repository(home: Path) -> ModelRepository:
    return ModelRepository(home_models=home / "models", shipped=home / "shipped")


def _train(repository: ModelRepository, runs: Path) -> None:
    for kind in FAMILIES:
        train_version(
            small_recipe(kind, epochs=2), small_images(), repository, kind, runs / kind,
            reporter=RecordingReporter(), threads=1, device=CPU, resume=False,
        )  # fmt: skip


def _read(home: Path) -> PublishedPair:
    repository = _repository(home)
    mlp, cnn = (repository.manifest(family, 1) for family in FAMILIES)
    return PublishedPair(repository, small_images(), mlp, cnn)
