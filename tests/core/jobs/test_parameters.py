from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.errors import ConfigurationError
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.recipes import recipe_config


def test_config_is_the_recipe_with_overrides() -> None:
    parameters = TrainParameters(
        recipe="cnn_baseline", seed=7, overrides={"epochs": 3, "optimization": {"learning_rate": 0.05}}
    )
    config = parameters.config()
    expected = recipe_config("cnn_baseline")
    assert config.differences(expected).keys() == {"seed", "epochs", "optimization.learning_rate"}
    assert (config.seed, config.epochs, config.optimization.learning_rate) == (7, 3, 0.05)


def test_family_defaults_to_the_network_kind() -> None:
    assert TrainParameters(recipe="mlp_baseline").target_family() == "mlp"
    assert TrainParameters(recipe="mlp_baseline", family="pets").target_family() == "pets"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"recipe": "no_such"}, "unknown recipe 'no_such'"),
        ({"recipe": "cnn_baseline", "overrides": {"epoch": 3}}, "unknown setting 'epoch'"),
        ({"recipe": "cnn_baseline", "overrides": {"epochs": "many"}}, "epochs"),
        ({"recipe": "cnn_baseline", "seed": 1, "overrides": {"seed": 2}}, "seed is given twice"),
    ],
)
def test_unknown_recipe_setting_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        TrainParameters.model_validate(fields).config()


@pytest.mark.parametrize(
    "data", ["folder:", "folder:../secrets", "folder:a/b", "folder:.x", "/etc", "cifar10\n", "folder:a\n", "CIFAR10"]
)
def test_data_outside_the_data_sets_cannot_be_named(data: str) -> None:
    for model in (TrainParameters, EvaluateParameters):
        with pytest.raises(ValidationError, match="data"):
            model.model_validate(
                {"recipe": "cnn_baseline", "data": data} if model is TrainParameters else {"data": data}
            )


@pytest.mark.parametrize("reference", ["cnn", "cnn@0", "cnn@03", "@1", "../cnn@1", "cnn@1@2", "cnn@latest"])
def test_invalid_version_reference_is_refused(reference: str) -> None:
    with pytest.raises(ValidationError, match="init_from"):
        TrainParameters(recipe="cnn_baseline", init_from=reference)
    with pytest.raises(ValidationError, match="versions"):
        EvaluateParameters(versions=(reference,))


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValidationError, match="epochs"):
        TrainParameters.model_validate({"recipe": "cnn_baseline", "epochs": 3})


def test_parameters_round_trip_through_json() -> None:
    train = TrainParameters(recipe="cnn_baseline", seed=1, init_from="cnn@3", overrides={"network.hidden": [8, 8]})
    assert TrainParameters.model_validate_json(train.model_dump_json()) == train
    evaluate = EvaluateParameters(versions=("cnn@3", "mlp@1"), data="folder:pets")
    assert EvaluateParameters.model_validate_json(evaluate.model_dump_json()) == evaluate
