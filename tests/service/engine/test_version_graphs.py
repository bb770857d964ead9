"""Choice of the execution provider: check against `cpu`, speed, order, and stored measurements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.repository.graph_records import Bf16Record
from core.repository.onnx_session import find_provider
from core.repository.repository import ModelRepository
from core.statistics.intervals import ConfidenceInterval
from service.engine.loaded_model import LoadedModel, load_model
from service.engine.provider_policy import ProviderPolicy, provider_groups
from service.engine.version_graphs import VersionGraphs
from service.errors import PrecisionNotPublishedError, VersionRefusedError
from tests.support.onnx_models import CALIBRATIONS, write_onnx_version
from tests.support.providers import STAND_IN, StandIn, cpu_policy, install_stand_in, policy_of

CPU = find_provider("cpu")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return install_stand_in(monkeypatch)


@pytest.fixture
def loader() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    write_onnx_version(tmp_path / "models" / "cnn" / "1", "cnn", 1, int8=True)
    return ModelRepository(tmp_path / "models", tmp_path / "none")


def load(repository: ModelRepository, loader: ThreadPoolExecutor, policy: ProviderPolicy) -> LoadedModel:
    return load_model(repository, "cnn", 1, max_batch=4, loader=loader, policy=policy)


def states(loaded: LoadedModel) -> dict[tuple[str, str], str]:
    return {(each.provider, each.precision): each.state for each in loaded.providers()}


def served_by(loaded: LoadedModel) -> list[tuple[str, str]]:
    return [pair for pair, state in states(loaded).items() if state == "loaded"]


def test_fastest_provider_that_agrees_with_cpu_serves(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.errors = {"bf16": 0.01}
    loaded = load(repository, loader, policy_of(tmp_path, CPU, STAND_IN))
    assert served_by(loaded) == [("openvino", "bf16")]
    # fp32 of a provider that passes in bf16 is not tried: it is never faster.
    assert states(loaded) == {("cpu", "fp32"): "standby", ("openvino", "bf16"): "loaded"}
    assert ("openvino", "fp32") not in stand_in.opened
    assert loaded.default.precision == "bf16"
    assert loaded.default.calibration == CALIBRATIONS["fp32"]
    [serving] = [each for each in loaded.providers() if each.state == "loaded"]
    assert serving.images_per_second == 1000.0
    assert serving.equal_classes == 1.0
    assert 0 < (serving.max_difference or 0) < 0.05


def test_cpu_serves_if_it_is_the_fastest(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.rates["cpu", "fp32"] = 2000.0
    assert served_by(load(repository, loader, policy_of(tmp_path, CPU, STAND_IN))) == [("cpu", "fp32")]


@pytest.mark.parametrize("error", [5.0, float("nan")])
def test_disagreeing_provider_is_refused_and_the_next_serves(
    repository: ModelRepository,
    loader: ThreadPoolExecutor,
    stand_in: StandIn,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: float,
) -> None:
    stand_in.errors = {"bf16": error, "fp32": 0.01}
    with caplog.at_level(logging.WARNING, "duet.models"):
        loaded = load(repository, loader, policy_of(tmp_path, CPU, STAND_IN))
    assert served_by(loaded) == [("cpu", "fp32")]
    refused = {each.precision: each.reason for each in loaded.providers() if each.state == "refused"}
    assert set(refused) == {"bf16", "fp32"}
    assert "a probability differs by" in (refused["bf16"] or "")
    assert any("cnn@1 is not run by openvino in bf16: " in message for message in caplog.messages)
    with pytest.raises(PrecisionNotPublishedError, match=r"not served in bf16 \(openvino: .*use fp32 or int8"):
        asyncio.run(loaded.variant("bf16"))


def test_refusal_of_an_unopenable_graph_is_not_stored(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.broken = {"bf16"}
    policy = policy_of(tmp_path, CPU, STAND_IN)
    loaded = load(repository, loader, policy)
    assert states(loaded)["openvino", "bf16"] == "refused"
    assert loaded.default.precision == "fp32"
    stand_in.broken = set()
    assert served_by(load(repository, loader, policy)) == [("openvino", "bf16")]


def test_stored_speed_is_reused_but_the_check_runs_again(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    policy = policy_of(tmp_path, CPU, STAND_IN)
    first = load(repository, loader, policy)
    stand_in.opened.clear()
    stand_in.timed.clear()
    second = load(repository, loader, policy)
    assert states(second) == states(first)
    assert stand_in.timed == []
    assert stand_in.opened == [("openvino", "bf16")]
    stand_in.errors = {"bf16": 5.0}
    assert served_by(load(repository, loader, policy)) != [("openvino", "bf16")]
    # Other package versions are measured anew.
    updated = replace(STAND_IN, versions="stand-in 2")
    load(repository, loader, policy_of(tmp_path, CPU, updated))
    assert ("openvino", "fp32") in stand_in.timed


def test_read_only_home_measures_again(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"a file in place of the folder")
    policy = policy_of(tmp_path, CPU, STAND_IN)
    for _ in range(2):
        assert served_by(load(repository, loader, policy)) == [("openvino", "bf16")]
    assert stand_in.timed.count(("openvino", "bf16")) == 2


def test_named_providers_are_tried_in_their_order_and_cpu_last(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.rates = {("cpu", "fp32"): 9000.0}
    policy = replace(policy_of(tmp_path, CPU, STAND_IN), groups=provider_groups(["openvino"]))
    assert [provider.name for provider in policy.providers] == ["openvino", "cpu"]
    assert served_by(load(repository, loader, replace(policy, preferred="fp32"))) == [("openvino", "fp32")]
    stand_in.errors = {"fp32": 0.5}
    assert served_by(load(repository, loader, replace(policy, preferred="fp32"))) == [("cpu", "fp32")]


def test_unavailable_preferred_bf16_is_fp32_with_a_warning(
    repository: ModelRepository, loader: ThreadPoolExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "duet.models"):
        loaded = load(repository, loader, replace(cpu_policy(tmp_path), preferred="bf16"))
    assert loaded.default.precision == "fp32"
    assert any("although DUET_PRECISION is bf16" in message for message in caplog.messages)
    with pytest.raises(PrecisionNotPublishedError, match="no execution provider of this machine"):
        loaded.opened("bf16")


def test_version_not_accepted_in_bf16_is_not_run_in_it(
    loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    record = Bf16Record(
        provider="openvino",
        versions="stand-in 1",
        images=100,
        equal_classes=0.9,
        max_difference=0.5,
        holdout_difference=ConfidenceInterval(value=-0.1, low=-0.2, high=0.0),
        coverage=0.99,
        coverage_band=(0.98, 1.0),
        accepted=False,
        verdict="not shown to lose less than 0.5 points of accuracy",
    )
    write_onnx_version(tmp_path / "models" / "cnn" / "1", "cnn", 1, bf16=record)
    repository = ModelRepository(tmp_path / "models", tmp_path / "none")
    loaded = load(repository, loader, policy_of(tmp_path, CPU, STAND_IN))
    assert loaded.default.precision == "fp32"
    with pytest.raises(PrecisionNotPublishedError, match="bf16 was not shown to lose less than"):
        loaded.opened("bf16")


async def test_graphs_are_opened_once_on_demand(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    loaded = load(repository, loader, policy_of(tmp_path, CPU, STAND_IN))
    assert [variant.precision for variant in loaded.variants()] == ["bf16"]
    assert loaded.opened("int8") is None
    stand_in.opened.clear()
    first, second = await asyncio.gather(loaded.variant("int8"), loaded.variant("int8"))
    assert first is second is loaded.opened("int8")
    assert stand_in.opened.count(("openvino", "int8")) == 1
    images_NHWC = np.full((1, 8, 8, 3), 96, np.uint8)
    assert first.queue.run(images_NHWC).logits_NK.shape == (1, 5)
    assert first.calibration == CALIBRATIONS["int8"]


async def test_graph_missing_on_demand_refuses_the_version(
    repository: ModelRepository, loader: ThreadPoolExecutor, tmp_path: Path
) -> None:
    loaded = load(repository, loader, cpu_policy(tmp_path))
    (repository.folder("cnn", 1) / "model.int8.onnx").unlink()
    with pytest.raises(VersionRefusedError, match=r"model\.int8\.onnx"):
        await loaded.variant("int8")


def test_cpu_alone_is_neither_checked_nor_timed(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    loaded = load(repository, loader, cpu_policy(tmp_path))
    assert states(loaded) == {("cpu", "fp32"): "loaded"}
    assert stand_in.timed == []
    assert not (tmp_path / "cache").exists()


def test_all_sizes_of_batches_are_compiled_in_advance(
    repository: ModelRepository, loader: ThreadPoolExecutor, stand_in: StandIn, tmp_path: Path
) -> None:
    policy = policy_of(tmp_path, CPU, STAND_IN)
    manifest = repository.verify("cnn", 1)
    graphs = VersionGraphs(manifest, repository.folder("cnn", 1), policy, max_batch=32)
    graph = graphs.open_best(["bf16"])
    assert graph is not None
    assert graphs.batches_to_compile(graph) == (2, 4, 6, 8, 12, 16, 24, 28)
