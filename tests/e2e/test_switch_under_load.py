"""Promotion under 200 parallel requests: no request fails or mixes two versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common.http import Answer
from benchmarks.promotion.bench import Answers, CheckedLoad, Plan, Results, Seen, Switch, make_requests, run
from core.repository.champions import history
from core.repository.repository import ModelRepository
from tests.support.holdouts import write_judged_version
from tests.support.onnx_models import gray_png
from tests.support.service import set_champions

PNGS = [gray_png(brightness) for brightness in (0, 64, 191, 255)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.full)])
def test_no_request_fails_while_champions_change(tmp_path: Path, workers: int) -> None:
    """A promotion, a rollback and both again, against a real service; version 2 takes black for white."""
    write_judged_version(tmp_path / "models", 1, wrong=10)
    write_judged_version(tmp_path / "models", 2, wrong=2, inverted=True)
    set_champions(tmp_path / "models", cnn=1)
    results = run(Plan(tmp_path, "cnn", PNGS, workers=workers, rest_seconds=0.2))
    assert results.problems == []
    assert len(results.seen) >= 5_000
    assert {one.version for one in results.seen} == {1, 2}
    assert len(results.switches) >= 4
    assert all(switch.served for switch in results.switches)
    entries = history(ModelRepository(tmp_path / "models", tmp_path / "none"))
    assert [(entry.action, entry.to_version) for entry in entries] == [
        (switch.action, switch.version) for switch in results.switches
    ]


EXPECTED: Answers = {
    (version, picture): (f"label of {version}", 0.5 + picture / 10) for version in (1, 2) for picture in (0, 1, 2, 3)
}


def answer(*predictions: tuple[int, str, float]) -> Answer:
    told = [f'{{"version": {version}, "label": "{label}", "probability": {p}}}' for version, label, p in predictions]
    return Answer(200, b"HTTP/1.1 200 OK", f'{{"predictions": [{", ".join(told)}]}}'.encode())


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answer(*((2, "label of 2", 0.5 + picture / 10) for picture in range(4))), None),
        (answer((1, "label of 1", 0.5), (2, "label of 2", 0.6)), "one request was answered by versions [1, 2]"),
        (answer(*((2, "label of 1", 0.5) for _ in range(4))), "version 2 answered label of 1 0.5000"),
        (answer(*((1, "label of 1", 0.5) for _ in range(4))), "version 1 answered label of 1 0.5000"),
        (Answer(429, b"", b"{}"), "429: b'{}'"),
    ],
)
def test_checked_load_names_the_response_problem(given: Answer, problem: str | None) -> None:
    form = make_requests("/predict", PNGS, files=4)[-1]
    assert form[1] == (0, 1, 2, 3)
    assert CheckedLoad(0, [form], EXPECTED).check(given, form[1])[1] == problem


def test_switch_figures_are_summarized() -> None:
    seen = [
        Seen(0.0, 0.1, 1, None),
        Seen(1.0, 1.2, 1, None),  # under way when version 2 is asked for
        Seen(1.5, 1.6, 1, None),  # the other process has not followed yet
        Seen(1.7, 1.8, 2, None),
        Seen(3.0, 3.3, None, "429"),
        Seen(5.0, 5.1, 2, None),
    ]
    results = Results(
        Plan(Path(), "cnn", PNGS), tuple(seen), (Switch("promote", 2, asked=1.1, answered=1.3, served=True),)
    )
    assert results.followed_ms(0) == pytest.approx(200)
    assert results.problems == ["429"]
    assert results.latency_ms(99, switching=True) == pytest.approx(200)
    assert results.latency_ms(50, switching=False) == pytest.approx(100)
