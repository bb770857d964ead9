"""The champions that ship, run by the providers that are installed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from core.files.home import shipped_models
from core.repository.repository import ModelRepository
from service.engine.loaded_model import load_model
from service.engine.provider_policy import provider_groups
from service.models.sample_images import example_pixels
from tests.support.providers import cpu_policy, needs_bf16


@needs_bf16
@pytest.mark.slow
@pytest.mark.parametrize("family", ["mlp", "cnn"])
async def test_openvino_passes_the_check_in_bf16_and_int8(tmp_path: Path, family: str) -> None:
    repository = ModelRepository(tmp_path, shipped_models())
    version = repository.champion(family)
    assert version
    policy = replace(
        cpu_policy(tmp_path), groups=provider_groups(["openvino"]), preferred="bf16", samples=example_pixels
    )
    with ThreadPoolExecutor(1) as loader:
        loaded = load_model(repository, family, version, max_batch=32, loader=loader, policy=policy)
        assert loaded.default.precision == "bf16"
        await loaded.variant("int8")
    found = {(each.provider, each.precision): each for each in loaded.providers()}
    for precision in ("bf16", "int8"):
        assert found["openvino", precision].state == "loaded"
        assert found["openvino", precision].images_per_second
