import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from core.errors import ConfigurationError
from core.recipes import RECIPES, RecipeConfig, recipe_config
from training.networks import build_classifier
from training.tuning.space import Space, require_inside, space_for

SEARCHED = sorted(set(RECIPES) - {"photo"})
PART = dict.fromkeys(("activation", "dropout", "width", "depth", "whitening", "identity"), "network") | dict.fromkeys(
    ("translate", "rotate", "stretch", "cutout", "mixup", "alternate", "outliers"), "augmentation"
)


def built(config: RecipeConfig) -> None:
    build_classifier(config.network, height=32, width=32, classes=10, mean=(0.5,) * 3, std=(0.2,) * 3)


@pytest.mark.parametrize("recipe", SEARCHED)
def test_baseline_is_the_recipe(recipe: str) -> None:
    config = recipe_config(recipe)
    space = space_for(config)
    assert space.baseline.keys() == space.dimensions.keys()
    assert space.config(space.baseline) == config


def test_pretrained_network_has_no_search_space() -> None:
    with pytest.raises(ConfigurationError, match="photo has a pretrained network, which has no search space"):
        space_for(recipe_config("photo"))


@pytest.mark.parametrize("recipe", SEARCHED)
def test_each_dimension_changes_only_its_settings(recipe: str) -> None:
    config = recipe_config(recipe)
    space = space_for(config)
    for name, dimension in space.dimensions.items():
        for value in ends(space, name):
            changed = space.config({**space.baseline, name: value})
            differences = config.differences(changed)
            assert bool(differences) == (value != space.baseline[name]) or name == "weight_decay", (name, value)
            assert {key.split(".")[0] for key in differences} <= {PART.get(name, "optimization")}
            if name in ("activation", "width", "depth"):
                built(changed)
        assert not isinstance(dimension, CategoricalDistribution) or len(dimension.choices) > 1


def ends(space: Space, name: str) -> list[object]:
    dimension = space.dimensions[name]
    if isinstance(dimension, CategoricalDistribution):
        return list(dimension.choices)
    assert isinstance(dimension, FloatDistribution | IntDistribution)
    return [dimension.low, dimension.high]


def test_plan_changes_one_choice_at_a_time() -> None:
    space = space_for(recipe_config("mlp_labels"))
    assert [space.changes(point) for point in space.planned()] == [
        {},
        {"activation": "relu"},
        {"activation": "silu"},
        {"activation": "tanh"},
        {"loss": "cross_entropy"},
        {"loss": "mse"},
        {"optimizer": "adamw"},
        {"optimizer": "sgd"},
    ]


def test_plan_varies_each_part_of_a_whitened_network() -> None:
    space = space_for(recipe_config("cnn_fast"))
    assert [space.changes(point) for point in space.planned()[8:]] == [
        {"whitening": False},
        {"identity": False},
        {"alternate": False},
        {"outliers": 0.0},
        {"averaging": 1.0},
    ]
    assert not space_for(recipe_config("cnn_baseline")).dimensions.keys() & {"whitening", "identity", "alternate"}


def test_is_planned_accepts_points_of_older_journals() -> None:
    space = space_for(recipe_config("mlp_labels"))
    for point in space.planned():
        assert space.is_planned(point)
        assert space.is_planned({name: value for name, value in point.items() if name not in ("rotate", "stretch")})
    assert not space.is_planned({**space.baseline, "rate": 2.0})
    assert not space.is_planned({**space.baseline, "activation": "relu", "loss": "mse"})


def test_optimizer_and_loss_bring_their_settings() -> None:
    config = recipe_config("mlp_labels")
    space = space_for(config)
    sgd = space.config({**space.baseline, "optimizer": "sgd", "rate": 2.0, "weight_decay": 3.0}).optimization
    assert sgd.optimizer == "sgd"
    assert [sgd.learning_rate, sgd.weight_decay, sgd.momentum] == pytest.approx([0.2, 1.5e-3, 0.9])
    own = space.config({**space.baseline, "rate": 0.5}).optimization
    assert own.learning_rate == config.optimization.learning_rate / 2
    assert own.vector_learning_rate == config.optimization.vector_learning_rate / 2
    mse = space.config({**space.baseline, "loss": "mse"}).optimization
    assert (mse.loss, mse.label_smoothing) == ("mse", 0.0)
    plain = space.config({**space.baseline, "loss": "cross_entropy"}).optimization
    assert (plain.loss, plain.label_smoothing) == ("cross_entropy", 0.0)
    smoothed = space_for(recipe_config("mlp_baseline"))
    assert smoothed.config({**smoothed.baseline, "loss": "smoothed"}).optimization.label_smoothing == 0.1


def test_depth_and_width_change_blocks_layers_and_convolutions() -> None:
    residual = space_for(recipe_config("mlp_labels"))
    network = residual.config({**residual.baseline, "depth": -1, "width": 0.5}).network
    assert (network.hidden, network.blocks) == ((256,), 4)  # type: ignore[union-attr]
    chain = space_for(recipe_config("mlp_baseline"))
    for depth, hidden in ((1, (1024, 512, 256, 256)), (-1, (1024, 512))):
        assert chain.config({**chain.baseline, "depth": depth}).network.hidden == hidden  # type: ignore[union-attr]
    cnn = space_for(recipe_config("cnn_fast"))
    deeper = cnn.config({**cnn.baseline, "depth": 1, "width": 1.25}).network
    assert (deeper.channels, deeper.convolutions) == ((120, 400, 480), 3)  # type: ignore[union-attr]


def test_recipe_outside_its_space_is_refused() -> None:
    config = recipe_config("mlp_labels").with_overrides({"augmentation.flip": False, "network.dropout": 0.35})
    assert space_for(config).dimensions["dropout"] == CategoricalDistribution((0.0, 0.1, 0.2, 0.35))
    space = space_for(config)
    outside = Space(space.dimensions, {**space.baseline, "rate": 9.0}, space.config, space.singles)
    with pytest.raises(ConfigurationError, match=r"its rate, 9\.0, is not in"):
        require_inside(outside, "mlp_labels")
