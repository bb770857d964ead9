"""Start of a shadow trial: versions that cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import UnknownFamilyError, UnknownVersionError
from core.repository.repository import ModelRepository
from core.trials.errors import TrialNotPossibleError
from core.trials.start import start_trial
from core.trials.store import TrialStore
from tests.support.onnx_models import write_onnx_version
from tests.support.service import set_champions, write_home
from tests.support.shadow import plan


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 is champion; cnn@2 can be compared with it, cnn@3 other classes, cnn@4 and cnn@5 other inputs."""
    models = write_home(tmp_path)
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    write_onnx_version(models / "cnn" / "3", "cnn", 3, classes=("a", "b", "c", "d", "e"))
    write_onnx_version(models / "cnn" / "4", "cnn", 4, size=16)
    write_onnx_version(models / "cnn" / "5", "cnn", 5, geometry="pad")
    return ModelRepository(models, tmp_path / "none")


def start(repository: ModelRepository, family: str = "cnn", **changes: Any) -> None:
    store = TrialStore(repository.home_models.parent)
    trial = start_trial(repository, store, family, plan(**changes), by="ann")
    assert store.running() == [trial]
    assert (trial.family, trial.champion, trial.challenger) == ("cnn", 1, 2)


def test_trial_against_the_champion_is_started(repository: ModelRepository) -> None:
    start(repository)


@pytest.mark.parametrize(
    ("version", "reason"),
    [(1, "is the champion"), (3, "differ in classes"), (4, "differ in input size"), (5, "differ in fit")],
)
def test_version_that_cannot_be_compared_is_refused(repository: ModelRepository, version: int, reason: str) -> None:
    with pytest.raises(TrialNotPossibleError, match=reason):
        start(repository, version=version)
    assert TrialStore(repository.home_models.parent).all() == []


def test_family_without_champion_is_refused(repository: ModelRepository) -> None:
    set_champions(repository.home_models, mlp=1)
    with pytest.raises(TrialNotPossibleError, match="no champion"):
        start(repository)


def test_unknown_version_or_family_is_refused(repository: ModelRepository) -> None:
    with pytest.raises(UnknownVersionError):
        start(repository, version=9)
    with pytest.raises(UnknownFamilyError):
        start(repository, "vit")


@pytest.mark.parametrize(
    "changes",
    [
        {"share": 0},
        {"share": 1.01},
        {"share": float("nan")},
        {"label_budget": 9},
        {"label_budget": 10_001},
        {"margin": 0},
        {"max_days": 0},
        {"max_days": 91},
        {"max_days": float("inf")},
        {"version": 0},
        {"unknown": 1},
    ],
)
def test_plan_has_limits(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        plan(**changes)
