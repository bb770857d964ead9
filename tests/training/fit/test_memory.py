import pytest
import torch

from core.errors import LowMemoryError
from core.recipes import RECIPES, recipe_config
from tests.support.training_runs import small_recipe
from training.fit import memory
from training.fit.memory import memory_needed, require_memory_for

SIZE = {"height": 32, "width": 32, "classes": 10}
MLP_PARAMETERS = 3072 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10
MLP_OUTPUTS = 32 + 16 + 10


@pytest.mark.parametrize(
    ("optimization", "copies"),
    [
        ({"optimizer": "adam", "averaging": 0.0}, 4),
        ({"optimizer": "adam", "averaging": 1.0}, 5),
        ({"optimizer": "sgd", "momentum": 0.9, "averaging": 0.0}, 3),
        ({"optimizer": "sgd", "momentum": 0.0, "averaging": 0.0}, 2),
    ],
)
def test_estimate_counts_weights_their_copies_and_the_outputs_of_a_batch(
    optimization: dict[str, object], copies: int
) -> None:
    config = small_recipe("mlp", batch_size=50, optimization=optimization)
    assert memory_needed(config, **SIZE) == 4 * MLP_PARAMETERS * copies + 2 * 50 * MLP_OUTPUTS


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_every_recipe_fits_into_a_small_machine_and_allocates_nothing(recipe: str) -> None:
    assert memory_needed(recipe_config(recipe), **SIZE) < 4e9
    assert torch.tensor([0.0]).device.type == "cpu"


def test_estimate_of_a_huge_network_takes_no_memory_and_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "pick_device", lambda: torch.device("cpu"))
    config = recipe_config("mlp_baseline").with_overrides({"network.hidden": [65_536, 65_536, 65_536]})
    assert memory_needed(config, **SIZE) > 100e9
    with pytest.raises(LowMemoryError, match="a training of this network needs at least"):
        require_memory_for(config.with_overrides({"network.hidden": [65_536] * 20}), **SIZE)


def test_memory_of_an_accelerator_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "pick_device", lambda: torch.device("cuda"))
    require_memory_for(recipe_config("mlp_baseline").with_overrides({"network.hidden": [65_536] * 20}), **SIZE)
