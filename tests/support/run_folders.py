"""Run folders as a training leaves them, for tests of their readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.files.home import named_run
from core.jobs.run_folder import CHECKPOINT_NAME, DESCRIPTION_NAME, HISTORY_NAME, LOCK_NAME, RunDescription


def write_run(
    home: Path,
    name: str,
    accuracies: Sequence[float],
    *,
    started_ago: timedelta = timedelta(minutes=5),
    validation: bool = True,
    **description: Any,
) -> Path:
    """Write a run that was stopped after one epoch per accuracy, each of ten seconds; returns its folder."""
    folder = named_run(home, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK_NAME).touch()
    values = {"recipe": "cnn_fast", "family": "cnn", "data": "cifar10", "seed": 3, "epochs": 4} | description
    started_at = datetime.now(UTC) - started_ago
    (folder / DESCRIPTION_NAME).write_text(RunDescription(**values, started_at=started_at).model_dump_json())
    if accuracies:
        (folder / CHECKPOINT_NAME).write_bytes(b"")
    write_history(folder, accuracies, validation=validation)
    return folder


def write_history(folder: Path, accuracies: Sequence[float], *, validation: bool = True) -> None:
    """Write the metrics of one epoch per accuracy; training figures are slightly better than validation figures."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "epoch": number, "train_loss": 0.95 - accuracy, "train_accuracy": accuracy + 0.02,
            "validation_loss": 1 - accuracy if validation else None,
            "validation_accuracy": accuracy if validation else None, "learning_rate": 0.1, "seconds": 10.0,
        }
        for number, accuracy in enumerate(accuracies, start=1)
    ]  # fmt: skip
    (folder / HISTORY_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
