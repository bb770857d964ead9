import json

import pytest

from core.errors import ConfigurationError, SettingsError
from core.recipes import RECIPES, CNNNetwork, RecipeConfig, parse_override, recipe_config


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_has_a_name_and_round_trips_json(name: str) -> None:
    config = recipe_config(name)
    assert config.recipe == name
    assert RecipeConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_unknown_recipe_lists_the_existing_ones() -> None:
    with pytest.raises(
        ConfigurationError, match=r"unknown recipe 'resnet': available recipes are cnn_baseline.* mlp_labels"
    ):
        recipe_config("resnet")


def test_overrides_reach_nested_settings_and_leave_the_rest() -> None:
    base = recipe_config("cnn_baseline")
    changed = base.with_overrides({"epochs": 3, "optimization.learning_rate": 0.5, "augmentation": {"flip": False}})
    assert (changed.epochs, changed.optimization.learning_rate, changed.augmentation.flip) == (3, 0.5, False)
    assert set(base.differences(changed)) == {"epochs", "optimization.learning_rate", "augmentation.flip"}
    assert base.differences(changed)["epochs"] == (base.epochs, 3)
    assert changed.augmentation.translate == base.augmentation.translate


def test_lists_from_the_command_line_become_tuples() -> None:
    changed = recipe_config("cnn_baseline").with_overrides(dict([parse_override("network.channels=[8,16]")]))
    assert isinstance(changed.network, CNNNetwork)
    assert changed.network.channels == (8, 16)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epoch", 3, r"unknown setting 'epoch'.*available settings are .*epochs"),
        ("optimization.rate", 3, r"unknown setting 'optimization.rate'.*learning_rate"),
        ("epochs.x", 3, r"unknown setting 'epochs.x'"),
        ("epochs", 0, r"epochs: .*greater than 0"),
        ("epochs", "many", r"epochs: .*integer"),
        ("optimization.optimizer", "lion", r"optimization.optimizer: .*'adam'"),
        ("network.dropout", 1.5, r"dropout: .*less than 1"),
        ("network.hidden", [64, 0], r"hidden: .*greater than 0"),
        ("network.channels", [8, -5], r"channels: .*greater than 0"),
        ("network.channels", [8, 10**9], r"channels: .*less than or equal to 65536"),
        ("optimization.learning_rate", float("inf"), r"learning_rate: .*finite"),
        ("optimization.weight_decay", float("nan"), r"weight_decay: .*finite"),
    ],
)
def test_invalid_override_names_the_setting(key: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        recipe_config("cnn_baseline").with_overrides({key: value})
    assert [name for name, _ in raised.value.problems] == [key]


@pytest.mark.parametrize(
    ("teacher", "references"),
    [(None, ()), ("cnn", ("cnn",)), ("cnn@5+cnn@4", ("cnn@5", "cnn@4")), ("cnn+teacher@1", ("cnn", "teacher@1"))],
)
def test_teachers_are_joined_by_plus(teacher: str | None, references: tuple[str, ...]) -> None:
    changed = recipe_config("mlp_best").with_overrides({"distillation.teacher": teacher})
    assert changed.distillation.teachers == references


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"teacher": "cnn@5+"}, "teacher: a teacher is a version such as cnn@4"),
        ({"teacher": "cnn@5,cnn@4"}, "teacher: a teacher is a version such as cnn@4"),
        ({"teacher": "a+b+c+d+e"}, "teacher: a teacher is a version such as cnn@4"),
        ({"teacher": "cnn@4+cnn@4"}, "names a version twice"),
        ({"teacher": "cnn@5+cnn@4", "hint_weight": 1.0}, "hint_weight needs a single teacher"),
        ({"view": "clean", "hint_weight": 1.0}, "hint_weight needs a single teacher and the augmented view"),
    ],
)
def test_invalid_teachers_are_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        recipe_config("mlp_best").with_overrides({f"distillation.{name}": value for name, value in overrides.items()})


def test_overrides_report_all_invalid_settings() -> None:
    with pytest.raises(SettingsError) as raised:
        recipe_config("mlp_baseline").with_overrides({"network": {"hidden": [8, "wide"], "dropout": 2}, "epochs": 0})
    assert sorted(name for name, _ in raised.value.problems) == ["epochs", "network.dropout", "network.hidden"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ("a", 1)),
        ("a.b=0.5", ("a.b", 0.5)),
        ("a=true", ("a", True)),
        ("a=adam", ("a", "adam")),
        ("a==", ("a", "=")),
    ],
)
def test_override_texts_are_json_or_plain(text: str, expected: tuple[str, object]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_override_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="key=value"):
        parse_override(text)


def test_schema_describes_every_form_setting() -> None:
    schema = RecipeConfig.model_json_schema()
    assert schema["properties"]["epochs"]["exclusiveMinimum"] == 0
    assert "decay to zero" in schema["$defs"]["Optimization"]["properties"]["schedule"]["description"]


def test_invalid_layers_are_one_problem_and_no_list_that_is_too_short() -> None:
    with pytest.raises(SettingsError) as raised:
        recipe_config("mlp_baseline").with_overrides({"network.hidden": [70_000, 80_000]})
    assert raised.value.problems == (("network.hidden", "Input should be less than or equal to 65536"),)
    with pytest.raises(SettingsError) as raised:
        recipe_config("mlp_baseline").with_overrides({"network.hidden": []})
    assert [name for name, _ in raised.value.problems] == ["network.hidden"]
