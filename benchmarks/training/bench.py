"""Training benchmark: parts of a step, the share of the machine's limit, and a race of a recipe and a plain loop."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.common import report as reports
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import Figures, Goal, check_goals, columns_table, goals_table
from benchmarks.training.race import race_figures, train_plain, train_recipe
from core.cpu import available_cores
from core.recipes import RecipeConfig, recipe_config
from training.augment.batches import Batches
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.load import load_images
from training.data.split_dataset import Images
from training.data.splits import Split
from training.data.types import LabelledImages
from training.fit.dtype import autocast, pick_device, pick_dtype
from training.fit.losses import training_loss
from training.fit.optimizers import build_optimizer, learning_rate, set_learning_rate
from training.networks import Classifier, count_macs, initialize, whiten
from training.networks.layers import seed_dropout
from training.pipeline.train import new_classifier
from training.run.checkpoint import Dtype
from training.run.rng import generator

GOALS = (Goal("*: augmentation, % of a step", "<=", 5.0),)
QUICK_IMAGES = 1_000
PARTS = ("augmentation", "forward", "backward", "optimizer")
SIDES = (1024, 2048)
"""Sides of the square matrices; the faster one counts."""
WARM_UP_STEPS = 2
"""Steps that allocate memory and choose kernels."""
PASSES = 3
"""A backward pass multiplies twice as often as the forward pass."""


def main(
    recipes: Annotated[list[str] | None, typer.Argument(help="By default cnn_fast and mlp_labels.")] = None,
    target: Annotated[float, typer.Option(min=0, max=1, help="Validation accuracy of the race; 0: no race.")] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum epochs of the race.")] = 8,
    quick: Annotated[bool, typer.Option("--quick", help="Smoke run; its figures mean little.")] = False,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure the speed of recipes, where the time goes, and a plain PyTorch loop beside them."""
    images, threads, steps = load_images("cifar10"), available_cores(), 10
    if quick:
        images, epochs, steps, target = few_images(images, QUICK_IMAGES), 1, 2, target or 0.99
    head = f"{describe_machine()} {threads} threads; medians over {steps} steps."
    torch.set_num_threads(threads)
    device, console = pick_device(), reports.progress_console()
    step_rows: dict[tuple[str, ...], Figures] = {}
    race_rows: dict[tuple[str, ...], Figures] = {}
    for name in recipes or ["cnn_fast", "mlp_labels"]:
        config = recipe_config(name).with_overrides({"epochs": epochs})
        dtype = pick_dtype(device) if config.precision == "auto" else config.precision
        console.print(f"{name} in {dtype}: parts of a step")
        step_rows[name, dtype] = _rows(measure_steps(config, images, dtype, device, steps=steps))
        if target > 0 and config.distillation.teacher is not None:
            console.print(f"{name} learns from a teacher, which the plain loop does not support: no race")
        elif target > 0:
            for racer, found in race(config, images, dtype, target, device, console).items():
                race_rows[name, racer] = _rows(found)
    shares = {f"{name}: augmentation, % of a step": row["augmentation, %"] for (name, _), row in step_rows.items()}
    tables = [
        columns_table("A step", ("recipe", "compute type"), step_rows),
        columns_table("A race, validation included", ("network of", "trained by"), race_rows),
        goals_table(check_goals(GOALS, shares)),
    ]
    samples = {" ".join(key): figures for key, figures in (*step_rows.items(), *race_rows.items())}
    reports.report(head, [table for table in tables if table.rows], samples, out=out, markdown=markdown)


def measure_steps(
    config: RecipeConfig, images: Images, dtype: Dtype, device: torch.device, *, steps: int
) -> dict[str, float]:
    """Measure the parts of a step, and the FLOP/s of its layers against those of a matrix product."""
    train = images.part("train")
    seconds = time_steps(initialized(config, images, device), config, train, dtype=dtype, device=device, steps=steps)
    _, height, width, _ = train.images_NHWC.shape
    macs = count_macs(initialized(config, images, torch.device("cpu")), height=height, width=width)
    limit = matrix_product_flops(dtype, device, repeats=steps)
    return step_figures(seconds, images=min(config.batch_size, len(train)), macs=macs, limit=limit)


def step_figures(seconds: dict[str, float], *, images: int, macs: int, limit: float) -> dict[str, float]:
    """Return the figures of a step of `images` images from the seconds of its parts; `limit` is in FLOP/s."""
    total = sum(seconds.values())
    flops = images / total * macs * 2 * PASSES
    figures = {"images/s": images / total}
    for part, taken in seconds.items():
        figures[f"{part}, ms"] = 1000 * taken
    return figures | {
        "augmentation, %": 100 * seconds["augmentation"] / total,
        "M multiply-accumulates": macs / 1e6,
        "GFLOP/s": flops / 1e9,
        "GFLOP/s of a matrix product": limit / 1e9,
        "share, %": 100 * flops / limit,
    }


def race(
    config: RecipeConfig, images: Images, dtype: Dtype, target: float, device: torch.device, console: Console
) -> dict[str, dict[str, float]]:
    """Train with the recipe and with the plain loop, each until the target or the last epoch."""
    train = images.part("train")
    config = config.with_overrides({"precision": dtype})
    recipe = train_recipe(new_classifier(config, images), config, images, target, device)
    plain = []
    classifier = initialized(config, images, device)
    for seconds, accuracy in train_plain(classifier, config, train, images.part("validation"), device):
        plain.append((seconds, accuracy))
        console.print(f"plain loop, epoch {len(plain)}: {accuracy:.2%} in {seconds:.0f} s")
        if accuracy >= target:
            break
    return {
        config.recipe: race_figures(recipe, len(train), target),
        "plain loop": race_figures(plain, len(train), target),
    }


def few_images(images: Images, count: int) -> Images:
    """Return the first `count` images of each part of the split."""
    split = images.split
    return Images(images.dataset, Split(split.train[:count], split.validation[:count], split.holdout[:count]))


def initialized(config: RecipeConfig, images: Images, device: torch.device) -> Classifier:
    """Return the network of the recipe with its initial weights."""
    classifier = new_classifier(config, images)
    initialize(classifier, generator(config.seed))
    whiten(classifier, torch.from_numpy(images.part("train").images_NHWC))
    return classifier.to(device)


def _rows(found: dict[str, float]) -> Figures:
    return {name: [value] for name, value in found.items()}


def time_steps(
    classifier: Classifier,
    config: RecipeConfig,
    images: LabelledImages,
    *,
    dtype: Dtype,
    device: torch.device,
    steps: int,
) -> dict[str, float]:
    """Train for a few steps; return the median seconds of each part.

    `classifier` has its initial weights, is on the device, and is changed; `images` are at least one batch.
    """
    classes = int(images.labels_N.max()) + 1
    size = min(config.batch_size, len(images))
    teacher = None
    if config.distillation.teacher is not None:
        # The images of a round are made at once; with one batch per round, each step includes its share of that.
        images = LabelledImages(images.images_NHWC[:size], images.labels_N[:size])
        teacher = [RoundSoftLabels(torch.zeros((size, classes), dtype=torch.float16), None)] * (WARM_UP_STEPS + steps)
    mirrored_N = torch.zeros(len(images), dtype=torch.bool)
    batches = Batches(
        images, classes, config,
        fill_C=classifier.mean_color, mirrored_N=mirrored_N, teacher=teacher, device=device,
    )  # fmt: skip
    optimizer = build_optimizer(classifier, config.optimization)
    draw = generator(config.seed, device=device)
    seed_dropout(classifier.train(), draw)
    order_N = torch.randperm(len(images), generator=generator(config.seed))
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}
    for number in range(WARM_UP_STEPS + steps):
        # The first percent of the schedule, far from a learning rate of zero.
        set_learning_rate(optimizer, learning_rate(config.optimization, number, 100 * (WARM_UP_STEPS + steps)))
        index_N = order_N.roll(-number * size)[:size]
        times = [_now(device)]
        batch = batches.augmented(index_N, number, draw)
        times.append(_now(device))
        with autocast(device, dtype):
            logits_NK = classifier(batch.pixels_LHWC)
        loss = training_loss(logits_NK, batch, config)
        times.append(_now(device))
        optimizer.zero_grad()
        loss.backward()
        times.append(_now(device))
        optimizer.step()
        times.append(_now(device))
        for part, (start, end) in zip(PARTS, pairwise(times), strict=True):
            seconds[part].append(end - start)
    return {part: statistics.median(taken[WARM_UP_STEPS:]) for part, taken in seconds.items()}


def matrix_product_flops(dtype: Dtype, device: torch.device, *, repeats: int) -> float:
    """Return the floating-point operations per second of a matrix product in `dtype`, median over repeats."""

    def flops(side: int) -> float:
        draw = torch.Generator(device).manual_seed(0)
        a, b = torch.randn(2, side, side, generator=draw, device=device).to(getattr(torch, dtype))
        times = [_now(device)]
        for _ in range(repeats + 1):
            torch.mm(a, b)
            times.append(_now(device))
        taken = [end - start for start, end in pairwise(times)]
        return 2 * side**3 / statistics.median(taken[1:])  # the first one chooses a kernel

    return max(map(flops, SIDES))


def _now(device: torch.device) -> float:
    """Return the time after all work that is queued on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
