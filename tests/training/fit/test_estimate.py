"""Estimate of the training time: before the first step, without an effect on the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.recipes import recipe_config
from tests.support.training_runs import CPU, RecordingReporter, small_fit, small_images, small_recipe
from training.fit import estimate
from training.fit.estimate import duration_phrase, estimated_seconds, passes
from training.pipeline.train import new_classifier


def test_estimate_multiplies_the_shortest_step(monkeypatch: pytest.MonkeyPatch) -> None:
    images = small_images()
    config = small_recipe("cnn", batch_size=50)
    classifier = new_classifier(config, images)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    state = torch.get_rng_state()
    clock = iter([10.0, 14.0, 20.0, 20.5])
    monkeypatch.setattr(estimate, "perf_counter", lambda: next(clock))
    train = images.part("train")
    steps = -(-len(train) // 50)
    assert estimated_seconds(classifier, config, train, passes=7, device=CPU) == pytest.approx(0.5 * steps * 7)
    assert all(tensor.equal(before[name]) for name, tensor in classifier.state_dict().items())
    assert torch.get_rng_state().equal(state)


def test_first_epoch_of_a_backbone_passes_all_views() -> None:
    photo = recipe_config("photo").with_overrides({"epochs": 3, "network.views": 8})
    assert passes(photo, 90, 3) == 8 + 3
    assert passes(photo, 90, 2) == 2  # resumed after the first epoch
    assert passes(small_recipe("cnn"), 90, 3) == 3


def test_estimate_is_shown_before_the_first_step(tmp_path: Path) -> None:
    class Ordered(RecordingReporter):
        """Keeps the number of steps at the time of the estimate."""

        steps_before: int | None = None

        def note(self, text: str) -> None:
            super().note(text)
            if text.startswith("estimated time for 3 epochs: about "):
                self.steps_before = len(self.steps)

    reporter = Ordered()
    small_fit(small_recipe("mlp"), small_images(), tmp_path, reporter=reporter)
    assert reporter.steps_before == 0
    assert reporter.steps


@pytest.mark.parametrize(
    ("seconds", "phrase"),
    [
        (0.2, "about 1 s"),
        (89, "about 89 s"),
        (120, "about 2 minutes"),
        (5399, "about 90 minutes"),
        (9000, "about 2.5 hours"),
    ],
)
def test_estimate_is_described_in_a_readable_unit(seconds: float, phrase: str) -> None:
    assert duration_phrase(seconds) == phrase
