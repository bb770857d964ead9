"""Small training runs: tiny recipes on synthetic images, reporters, and a fixed result of the int8 test."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from core.recipes import RecipeConfig, recipe_config
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.cifar_files import small_dataset
from training.data.split_dataset import Images
from training.data.splits import split_for
from training.export import quantize
from training.fit.inputs import FitInputs
from training.fit.loop import FitResult, fit
from training.pipeline import train as pipeline
from training.pipeline.train import new_classifier
from training.run.checkpoint import Checkpoint, EpochRecord
from training.run.reporter import Reporter, Written

CPU = torch.device("cpu")


def small_images(*, per_class_train: int = 20, seed: int = 0) -> Images:
    """Ten learnable classes of 32x32 images, with their split."""
    dataset = small_dataset(per_class_train=per_class_train, seed=seed)
    return Images(dataset, split_for(dataset))


def small_recipe(kind: str, **overrides: Any) -> RecipeConfig:
    """A tiny baseline recipe with dropout, shifts and cutout; an epoch takes a fraction of a second."""
    network: dict[str, Any] = (
        {"kind": "mlp", "hidden": (32, 16), "dropout": 0.2}
        if kind == "mlp"
        else {"kind": "cnn", "channels": (8, 16), "convolutions": 1, "hidden": (16,), "dropout": 0.2}
    )
    small = {
        "network": network,
        "augmentation": {"flip": True, "translate": 2, "cutout": 4},
        "epochs": 3,
        "batch_size": 50,
        "precision": "float32",
    }
    config = recipe_config(f"{kind}_baseline")
    tree = config.model_dump() | small
    return RecipeConfig.model_validate(tree).with_overrides(overrides)


def small_fit(
    config: RecipeConfig,
    images: Images,
    folder: Path,
    *,
    reporter: RecordingReporter | None = None,
    resume_from: Checkpoint | None = None,
    threads: int = 1,
) -> FitResult:
    """Fit without publishing."""
    return fit(
        new_classifier(config, images),
        config,
        FitInputs.of(config, images),
        folder,
        reporter=reporter or RecordingReporter(),
        threads=threads,
        device=CPU,
        resume_from=resume_from,
    )


def train_version(
    config: RecipeConfig,
    images: Images,
    repository: ModelRepository,
    family: str,
    run_folder: Path,
    *,
    reporter: Reporter | None = None,
    threads: int = 1,
    device: torch.device = CPU,
    resume: bool = False,
) -> Manifest:
    """`training.pipeline.train.train_version` without the export rehearsal, which takes longer than a small run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "rehearse_export", lambda _classifier, _images: None)
        return pipeline.train_version(
            config, images, repository, family, run_folder,
            reporter=reporter or RecordingReporter(), threads=threads, device=device, resume=resume,
        )  # fmt: skip


class RecordingReporter:
    """Records all reports.

    Args:
        stop_after: epoch after which KeyboardInterrupt is raised.
        kill_at_step: step at which this process is killed by SIGKILL.
        refuse: write action for which PermissionError is raised.
    """

    def __init__(
        self, *, stop_after: int | None = None, kill_at_step: int | None = None, refuse: Written | None = None
    ) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.written: list[Written] = []
        self.steps: list[tuple[int, float, float]] = []
        self.epochs: list[EpochRecord] = []
        self.started: tuple[int, int] | None = None
        self.ended = False
        self._stop_after = stop_after
        self._kill_at_step = kill_at_step
        self._refuse = refuse

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        self.started = (steps, done)
        self.notes.append(detail)

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        self.steps.append((epoch, loss, accuracy))
        if len(self.steps) == self._kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        self.epochs.append(record)
        if record.epoch == self._stop_after:
            raise KeyboardInterrupt

    def fit_ended(self) -> None:
        self.ended = True

    def writing(self, what: Written) -> None:
        self.written.append(what)
        if what == self._refuse:
            raise PermissionError(what)

    def note(self, text: str) -> None:
        self.notes.append(text)


def let_int8_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept int8: speed-up 2, any difference in accuracy."""
    monkeypatch.setattr(quantize, "measure_speedup", lambda _graphs, _images: 2.0)
    monkeypatch.setattr(quantize, "MAX_LOSS", 1.0)


def let_int8_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reject int8: no speed-up."""
    monkeypatch.setattr(quantize, "measure_speedup", lambda _graphs, _images: 1.0)
    monkeypatch.setattr(quantize, "MAX_LOSS", 1.0)
