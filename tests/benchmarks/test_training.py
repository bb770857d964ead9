from __future__ import annotations

import math

import pytest
import torch
from rich.console import Console

from benchmarks.training.bench import few_images, measure_steps, race, step_figures
from benchmarks.training.race import race_figures
from tests.support.training_runs import CPU, small_images, small_recipe
from training.data.split_dataset import Images


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images()


def test_step_figures_are_speeds_and_shares() -> None:
    seconds = {"augmentation": 0.02, "forward": 0.1, "backward": 0.25, "optimizer": 0.03}
    figures = step_figures(seconds, images=500, macs=50_000_000, limit=1e12)
    assert figures["images/s"] == pytest.approx(1250)
    assert figures["augmentation, %"] == pytest.approx(5.0)
    assert figures["GFLOP/s"] == pytest.approx(1250 * 50e6 * 2 * 3 / 1e9)
    assert figures["share, %"] == pytest.approx(37.5)


def test_race_figures_count_seconds_to_the_target_epoch() -> None:
    epochs = [(10.0, 0.5), (11.0, 0.7), (12.0, 0.9)]
    figures = race_figures(epochs, 1200, target=0.7)
    assert (figures["seconds to it"], figures["seconds"], figures["images/s"]) == (21.0, 33.0, 100.0)
    assert math.isnan(race_figures(epochs, 1200, target=0.95)["seconds to it"])


def test_few_images_are_the_first_of_each_part(images: Images) -> None:
    few = few_images(images, 7)
    assert [len(few.part("train")), len(few.part("validation"))] == [7, 7]
    assert (few.split.train == images.split.train[:7]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_steps_are_timed_and_race_ends_at_the_target(images: Images) -> None:
    torch.set_num_threads(1)
    assert measure_steps(small_recipe("cnn"), images, "float32", CPU, steps=1)["images/s"] > 0
    found = race(small_recipe("cnn", epochs=3), images, "float32", 0.01, CPU, Console(quiet=True))
    assert [figures["epochs"] for figures in found.values()] == [1, 1]
    assert list(found)[1] == "plain loop"
