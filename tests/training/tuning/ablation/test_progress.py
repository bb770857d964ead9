"""Progress bars of a study."""

from __future__ import annotations

import io

from rich.console import Console

from training.run.checkpoint import EpochRecord
from training.tuning.ablation.progress import StudyProgress


def test_bar_of_a_run_has_the_metrics_of_its_last_epoch() -> None:
    shown = io.StringIO()
    with StudyProgress(Console(file=shown, width=160, force_terminal=True)) as progress:
        progress.runs("study", done=0, total=2)
        for accuracy in (0.411, 0.522):
            progress.fit_started(steps=1, done=0, detail="")
            progress.step(epoch=1, loss=1.5, accuracy=0.3)
            first = progress._progress.tasks[-1].fields["figures"]
            assert first == "epoch 1  loss 1.500  train 30.0%", "the figures of the run before must be gone"
            progress.epoch(EpochRecord(1, 1.5, 0.3, 1.4, accuracy, 0.01, 3.0), 1)
            assert progress._progress.tasks[-1].fields["figures"] == f"{first}  validation {accuracy:.1%}"
            progress.fit_ended()
    assert len(progress._progress.tasks) == 1
