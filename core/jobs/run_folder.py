"""Files of a run folder that other processes than the training read: description, history, lock."""

from __future__ import annotations

from datetime import datetime

from core.strict_model import StrictModel

CHECKPOINT_NAME = "checkpoint.pt"
LOCK_NAME = ".lock"
"""Lock of the process that trains in the folder."""
PUBLISHED_NAME = "published"
"""Reference of the version that the run published."""
DESCRIPTION_NAME = "run.json"
HISTORY_NAME = "history.jsonl"
"""Metrics of the complete epochs, one `EpochRecord` a line, as in the folder of a version."""


class RunDescription(StrictModel):
    """Description of a training run, written when it starts."""

    recipe: str
    family: str
    data: str
    seed: int
    epochs: int
    started_at: datetime
