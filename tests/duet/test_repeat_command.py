"""`duet repeat`, on small synthetic images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from core.repository.repository import ModelRepository
from duet.cli import main
from tests.support.int8 import let_int8_fail
from tests.support.training_runs import small_images
from training.pipeline import requests

SMALL = (
    "--set", "epochs=1", "--set", "batch_size=50", "--set", "network.hidden=[16]", "--set", "precision=float32",
    "--threads", "1",
)  # fmt: skip


@pytest.mark.slow
def test_seeds_are_published_reported_and_not_trained_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_int8_fail(monkeypatch)
    home = tmp_path / "home"
    monkeypatch.setenv("DUET_HOME", str(home))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("COLUMNS", "200")
    images = small_images()
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: images)

    def repeat(seeds: str) -> str:
        monkeypatch.setattr(
            sys, "argv", ["duet", "repeat", "mlp_baseline", "--seeds", seeds, "--goal", "0.999", *SMALL]
        )
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        return capsys.readouterr().out

    first = repeat("2")
    repository = ModelRepository.open()
    manifests = [repository.manifest("mlp", version) for version in (1, 2)]
    assert [manifest.seed for manifest in manifests] == [0, 1]
    assert repository.champion("mlp") is None
    accuracies = [manifest.metrics.test_accuracy for manifest in manifests]
    assert all(f"{accuracy:.5g}" in first for accuracy in accuracies)
    report = home / "runs" / "mlp_baseline.json"
    assert f"written to {report}" in " ".join(first.split())
    assert "Not shown to reach 99.90%: mean of 2 seeds" in " ".join(first.split())
    assert json.loads(report.read_text())["goal"]["reached"] is False
    assert json.loads(report.read_text())["figures"]["accuracy from one view"]["values"] == accuracies

    third = repeat("3")
    assert repository.versions("mlp") == [1, 2, 3]
    assert all(f"mlp@{version}" in third for version in (1, 2, 3))
