"""The training benchmark on small made-up images: every part runs; no figure is judged."""

from __future__ import annotations

import pytest
from rich.console import Console

from benchmarks.training.images import few_images
from benchmarks.training.run import Racer, Results, run
from benchmarks.training.steps import PARTS, StepTimes
from benchmarks.training.tables import tables
from tests.support.training_runs import CPU, small_images, small_recipe
from training.data.split_dataset import Images


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images()


def made_up(*racers: Racer) -> Results:
    step = StepTimes(500, {"augmentation": 0.02, "forward": 0.1, "backward": 0.25, "optimiser": 0.03})
    return Results("cnn_fast", "bfloat16", 2, step, macs=50_000_000, ceiling=1e12, racers=racers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_recipe_and_plain_loop_race_on_the_same_network(images: Images, kind: str) -> None:
    config = small_recipe(kind, epochs=2)
    results = run(config, images, target=1.0, steps=1, threads=1, device=CPU, console=Console(quiet=True))
    assert results.step.seconds.keys() == set(PARTS)
    assert results.step.images == config.batch_size
    assert [racer.name for racer in results.racers] == [config.recipe, "plain loop"]
    for racer in results.racers:
        assert 0 < len(racer.accuracies) == len(racer.seconds) <= 2
    assert results.ceiling > 0
    assert len(tables([results])) == 3


def test_the_race_ends_where_the_target_is_reached(images: Images) -> None:
    config = small_recipe("mlp", epochs=3)
    results = run(config, images, target=0.01, steps=1, threads=1, device=CPU, console=Console(quiet=True))
    assert [len(racer.seconds) for racer in results.racers] == [1, 1]
    assert results.racers[0].seconds_to_target == results.racers[0].seconds[0]


def test_time_counts_up_to_the_epoch_that_reached_the_target() -> None:
    racer = Racer("one", (0.5, 0.7, 0.9), (10.0, 11.0, 12.0), 100.0, target=0.7)
    assert racer.seconds_to_target == 21.0
    assert Racer("two", (0.5,), (10.0,), 100.0, target=0.7).seconds_to_target is None


def test_speeds_and_shares_follow_from_the_times() -> None:
    results = made_up()
    assert results.step.images_per_second == pytest.approx(1250)
    assert results.flops == pytest.approx(1250 * 50e6 * 2 * 3)
    steps, ceiling = tables([results])
    assert steps.rows[0][2:4] == ("1,250", "20.0 (5.0%)")
    assert ceiling.rows[0][-1] == "37.5%"
    assert steps.rows[0][-1] == "yes"


def test_fewer_images_are_the_first_of_each_part(images: Images) -> None:
    few = few_images(images, 7)
    assert [len(few.part("train")), len(few.part("validation"))] == [7, 7]
    assert (few.split.train == images.split.train[:7]).all()
