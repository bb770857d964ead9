"""Pruner: early ends of proposals, from made-up accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from core.recipes import recipe_config
from training.tuning.journal import DIVERGED
from training.tuning.search import ProposalPruner, first_prunable
from training.tuning.space import Space

EPOCHS = 6
DIMENSIONS: dict[str, BaseDistribution] = {
    "activation": CategoricalDistribution(("relu", "gelu")),
    "rate": FloatDistribution(0.25, 4.0),
}
SPACE = Space(
    DIMENSIONS, {"activation": "relu", "rate": 1.0}, lambda _: recipe_config("mlp_labels"), singles=("activation",)
)
RELU, GELU = SPACE.planned()
PROPOSED = {"activation": "gelu", "rate": 2.0}


def trial(accuracies: Sequence[float], point: dict[str, Any] = PROPOSED, **fields: Any) -> FrozenTrial:
    """A trial that has the accuracies after its first epochs; it runs unless fields say otherwise."""
    values: dict[str, Any] = {
        "state": TrialState.RUNNING,
        "params": point,
        "distributions": DIMENSIONS,
        "intermediate_values": dict(enumerate(accuracies, start=1)),
    }
    return create_trial(**(values | fields))


def whole(accuracy: float, point: dict[str, Any] = PROPOSED) -> FrozenTrial:
    """A trial that ran to its end with one accuracy after all epochs."""
    return trial([accuracy] * EPOCHS, point, state=TrialState.COMPLETE, value=accuracy)


def early(accuracy: float, epochs: int = 3, *, noted: dict[str, str] | None = None) -> FrozenTrial:
    """A proposal that was ended after so many epochs."""
    return trial([accuracy] * epochs, state=TrialState.PRUNED, value=accuracy, user_attrs=noted or {})


def ends(accuracies: Sequence[float], *before: FrozenTrial) -> bool:
    """Return True if a proposal with these accuracies is ended after the last of them."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(before)
    return ProposalPruner(SPACE, EPOCHS).prune(study, trial(accuracies))


@pytest.mark.parametrize(("epochs", "first"), [(1, 3), (3, 3), (5, 3), (8, 4), (9, 5)])
def test_first_prunable_is_half_of_the_epochs_and_three(epochs: int, first: int) -> None:
    assert first_prunable(epochs) == first


@pytest.mark.parametrize(("epoch", "pruned"), [(1, False), (2, False), (3, True), (5, True), (6, False)])
def test_pruner_spares_early_and_last_epochs(epoch: int, pruned: bool) -> None:
    assert ends([0.1] * epoch, *[whole(0.5)] * 4) == pruned
    assert not ends([])


def test_pruner_needs_four_proposals() -> None:
    assert not ends([0.1] * 3, *[whole(0.5)] * 3)
    assert ends([0.1] * 3, *[whole(0.5)] * 4)


def test_pruner_compares_with_proposals_only() -> None:
    planned = [whole(0.9, RELU), whole(0.9, GELU)] * 10
    assert not ends([0.1] * 3, *planned, *[whole(0.5)] * 3)
    assert not ends([0.6] * 3, *planned, *[whole(0.5)] * 4)
    assert ends([0.4] * 3, *planned, *[whole(0.5)] * 4)


def test_pruner_compares_the_current_epoch_with_the_median() -> None:
    before = [whole(accuracy) for accuracy in (0.2, 0.4, 0.6, 0.8)]
    assert not ends([0.1, 0.1, 0.5], *before)
    assert ends([0.9, 0.9, 0.49], *before)


def test_pruner_counts_pruned_but_not_diverged_proposals() -> None:
    before = [whole(0.5)] * 4
    assert ends([0.4] * 3, *before)
    assert not ends([0.4] * 3, *before, *[early(0.3)] * 5)
    assert ends([0.4] * 4, *before, *[early(0.3)] * 5)
    assert ends([0.4] * 3, *before, *[early(0.3, noted={DIVERGED: "the loss became nan"})] * 5)
    assert not ends([0.4] * 3, *before[:3], early(0.5, noted={DIVERGED: "the loss became nan"}))
