"""Batch independence: predictions do not depend on the other images of a batch."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.files.home import shipped_models
from core.repository.repository import ModelRepository
from core.statistics.calibration import softmax
from service.engine.batcher import Batcher
from service.engine.loaded_model import ModelVariant, load_model
from service.engine.postprocess import Outputs
from tests.service.engine.models import FAR
from tests.support.onnx_models import write_onnx_version
from tests.support.providers import cpu_policy

MAX_BATCH = 32
SAME = 1e-6


async def opened(repository: ModelRepository, family: str) -> list[ModelVariant]:
    version = repository.champion(family) or max(repository.versions(family))
    with ThreadPoolExecutor(1) as loader:
        loaded = load_model(
            repository, family, version, max_batch=MAX_BATCH, loader=loader, policy=cpu_policy(repository.home_models)
        )
        return [await loaded.variant(precision) for precision in loaded.manifest.calibration]


async def tiny(home: Path) -> list[ModelVariant]:
    write_onnx_version(home / "cnn" / "1", "cnn", 1, int8=True)
    return await opened(ModelRepository(home, home / "none"), "cnn")


def assert_same(served: ModelVariant, outputs: Outputs, expected: Outputs) -> None:
    temperature = served.calibration.temperature
    exact, alone = (softmax(one.logits_NK.astype(np.float64), temperature) for one in (outputs, expected))
    np.testing.assert_allclose(exact, alone, rtol=0, atol=SAME)
    # Responses are rounded to six digits, so a tiny difference can change the last digit.
    np.testing.assert_allclose(outputs.probabilities, expected.probabilities, rtol=0, atol=1.001 * SAME)
    np.testing.assert_allclose(outputs.energies, expected.energies, rtol=1e-5)
    # Two classes with nearly equal probabilities may change places.
    for row, (order, expected_order) in enumerate(zip(outputs.order, expected.order, strict=True)):
        np.testing.assert_allclose(alone[row, order], alone[row, expected_order], rtol=0, atol=SAME)


async def check(served: ModelVariant, count: int, threads: int) -> None:
    height, width = served.size
    images_NHWC = np.random.default_rng(7).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    alone = [served.queue.run(images_NHWC[i : i + 1]) for i in range(count)]
    sizes: list[int] = []
    batcher = Batcher(
        threads=threads, max_batch=MAX_BATCH, queue_size=10 * count, observe_batch=lambda _, size: sizes.append(size)
    )
    chance = random.Random(threads)

    async def ask() -> None:
        rows = [chance.randrange(count) for _ in range(chance.choice((1, 1, 1, 2, 5, 40)))]
        inference = await batcher.submit(served.queue, images_NHWC[rows], FAR)
        assert_same(served, inference.outputs, Outputs.joined([alone[row] for row in rows]))

    for crowd in (1, 3, 10, 40):
        await asyncio.gather(*(ask() for _ in range(crowd)))
    batcher.close()
    assert max(sizes) > MAX_BATCH // threads - 1
    assert len(set(sizes)) > 3


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_batched_predictions_equal_single_predictions(tmp_path: Path, threads: int) -> None:
    for served in await tiny(tmp_path):
        await check(served, 64, threads)


@pytest.mark.parametrize("family", ["mlp", "cnn"])
async def test_shipped_champions_predict_the_same_in_any_batch(tmp_path: Path, family: str) -> None:
    for served in await opened(ModelRepository(tmp_path, shipped_models()), family):
        await check(served, 64, threads=1)
