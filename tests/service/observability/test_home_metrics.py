"""Metrics of the home and of champions at /metrics."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.errors import RepositoryError
from core.repository.champions import archive, promote, rollback
from core.repository.repository import ModelRepository
from service.jobs.home_figures import HomeFiguresReader
from service.observability import home_metrics
from service.observability.home_metrics import HomeFigures, HomeMetrics
from service.observability.home_monitor import watching_home
from service.settings import MIB
from tests.support.metrics import samples_of
from tests.support.onnx_models import write_onnx_version
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until


def repository_of(home: Path) -> ModelRepository:
    return ModelRepository(home / "models", home / "none")


def read(home: Path) -> HomeFigures:
    return HomeFiguresReader(settings_for(home), repository_of(home)).read()


async def scraped(app: RunningApp) -> dict[str, float]:
    return samples_of((await app.client.get("/metrics")).text)


def has(app: RunningApp, *names: str) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return set(names) <= set(await scraped(app))

    return condition


async def test_disk_and_stored_bytes_are_exported(home: Path) -> None:
    image = home / "datasets" / "pets" / "cat" / "1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(bytes(1234))
    async with running_app(settings_for(home, max_datasets_bytes=5000, job_free_mib=7)) as app:
        await until(has(app, "duet_home_free_bytes"))
        found = await scraped(app)
    assert found["duet_home_reserved_bytes"] == 7 * MIB
    assert 0 < found["duet_home_free_bytes"] < found["duet_home_size_bytes"]
    assert (found['duet_stored_bytes{kind="datasets"}'], found['duet_quota_bytes{kind="datasets"}']) == (1234, 5000)
    assert found['duet_stored_bytes{kind="results"}'] == found['duet_stored_bytes{kind="traffic"}'] == 0
    assert found["duet_datasets"] == 1


async def test_champion_names_its_precision_and_provider(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        found = await scraped(app)
    assert found['duet_champion_info{model="cnn",precision="fp32",provider="cpu",version="1"}'] == 1
    assert found['duet_model_refused{model="cnn",version="1"}'] == 0
    assert found['duet_champion_refused_providers{model="cnn",version="1"}'] == 0


async def test_champion_that_cannot_be_loaded_is_refused(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        write_onnx_version(home / "models" / "cnn" / "2", "cnn", 2)
        (home / "models" / "cnn" / "2" / "model.onnx").write_bytes(b"damaged")
        set_champions(home / "models", cnn=2, mlp=1)
        await until(has(app, 'duet_model_refused{model="cnn",version="2"}'))

        async def is_refused() -> bool:
            return (await scraped(app))['duet_model_refused{model="cnn",version="2"}'] == 1

        await until(is_refused)
        found = await scraped(app)
    assert found['duet_champion_info{model="cnn",precision="",provider="",version="2"}'] == 1
    assert found['duet_model_refused{model="mlp",version="1"}'] == 0
    assert 'duet_model_refused{model="cnn",version="1"}' not in found


def test_promotions_are_counted_by_action(home: Path) -> None:
    repository = repository_of(home)
    write_onnx_version(home / "models" / "cnn" / "2", "cnn", 2)
    reader = HomeFiguresReader(settings_for(home), repository)
    assert reader.read().trail == []
    promote(repository, "cnn", 2, actor="ann", reason="better")
    rollback(repository, "cnn", actor="ann", reason="worse")
    last = archive(repository, "mlp", actor="ann", reason="unused")
    metrics = HomeMetrics()
    metrics.show(reader.read())
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }
    assert found["duet_promotions_total", "cnn", "promote"] == found["duet_promotions_total", "cnn", "rollback"] == 1
    assert found["duet_promotions_total", "mlp", "archive"] == 1
    assert found["duet_promotion_timestamp_seconds", "mlp"] == last.at.timestamp()


def test_trail_is_read_again_only_after_a_change(home: Path) -> None:
    repository = repository_of(home)
    write_onnx_version(home / "models" / "cnn" / "2", "cnn", 2)
    promote(repository, "cnn", 2, actor="ann", reason="better")
    reader = HomeFiguresReader(settings_for(home), repository)
    first = reader.read().trail
    assert reader.read().trail is first
    rollback(repository, "cnn", actor="ann", reason="worse")
    assert len(reader.read().trail) == 2


def test_damaged_trail_is_an_error(home: Path) -> None:
    aliases = json.loads((home / "models" / "aliases.json").read_text(encoding="utf-8"))
    (home / "models" / "aliases.json").write_text(json.dumps(aliases | {"last_entry": 3}), encoding="utf-8")
    with pytest.raises(RepositoryError, match="lacks entry 1"):
        read(home)


def test_figures_that_cannot_be_measured_are_not_exported(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics, shown, calls = HomeMetrics(), threading.Semaphore(0), []

    def measure() -> HomeFigures:
        calls.append(1)
        return read(home)

    def publish(figures: HomeFigures | None) -> None:
        metrics.show(figures)
        shown.release()

    def has_samples() -> bool:
        return any(family.samples for family in metrics.collect())

    with caplog.at_level(logging.ERROR), watching_home(measure, publish, every_seconds=0.01):
        assert shown.acquire(timeout=30)
        assert has_samples()
        shutil.rmtree(home)
        while has_samples():
            assert shown.acquire(timeout=30)
        for _ in range(3):
            assert shown.acquire(timeout=30)
    assert len([each for each in caplog.records if "could not measure the home" in each.message]) == 1
    assert len(calls) >= 5


def test_old_figures_are_not_exported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = HomeMetrics()
    metrics.show(read(home))
    assert any(family.samples for family in metrics.collect())
    monkeypatch.setattr(home_metrics, "MAX_AGE_SECONDS", -1.0)
    assert not any(family.samples for family in metrics.collect())
