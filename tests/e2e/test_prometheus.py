"""Prometheus, the service with its broker and worker, and a load: rules and dashboard return data."""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from core.repository.champions import promote, rollback
from core.repository.repository import ModelRepository
from docs.generate.dashboard import queries
from tests.support.live import gray_requests, usual_mix, write_labels, write_live_home
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.prometheus import ROOT, Prometheus, running_prometheus
from tests.support.service import service_process
from tests.support.traffic import write_segment

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Debian's package prometheus"),
]
KEY, ADMIN = "k" * 16, "a" * 16
FILES = 40
RULES = [
    rule
    for name in ("recording.yml", "alerts.yml")
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / name).read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule["expr"] for rule in RULES if "alert" in rule}
FIRING = 'ALERTS{alertstate="firing"}'
RECORDS = sorted({rule["record"] for rule in RULES if "record" in rule})
QUERIES = queries()
_COMPARISON = re.compile(r"(?<= )(==|!=|>=|<=|>|<) ")
SETTLED_SECONDS = 120.0


def write_home(home: Path) -> None:
    """Champions with a holdout, a trail, a data set, and captured traffic with labels."""
    models = write_live_home(home)
    repository = ModelRepository(models, home / "none")
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    promote(repository, "cnn", 2, actor="tests", reason="better")
    rollback(repository, "cnn", actor="tests", reason="worse")
    folder = home / "datasets" / "grays" / "any"
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"{number}.png").write_bytes(gray_png(number))
    records = gray_requests(usual_mix(40))
    write_labels(home, records, ["black"] * len(records))
    write_segment(home, records)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The server after a load and a finished job, once all of them are in its data."""
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    settings = {"DUET_EMBEDDED_BROKER": "1", "DUET_CAPTURE_SHARE": "1", "DUET_API_KEYS": f"jobs:{KEY},admin:{ADMIN}"}
    with (
        service_process(home, **settings) as service,
        httpx.Client(base_url=service.url, timeout=60, headers={"x-api-key": KEY}) as client,
        running_prometheus(tmp_path_factory.mktemp("prometheus"), service.url.removeprefix("http://")) as server,
    ):
        until(lambda: value(server, 'sum(duet_workers{state="ready"})') > 0)
        until(lambda: value(server, "sum(job_kind_state:duet_jobs_ended:increase1h)") == 0)
        trial = {"version": 2, "share": 1.0, "label_budget": 100}
        begun = client.post("/models/cnn/shadow", json=trial, headers={"x-api-key": ADMIN})
        assert begun.status_code == 200, begun.text
        job = client.post("/batch", json={"data": "folder:grays", "models": ["cnn@1"]})
        assert job.status_code == 202, job.text
        while (state := client.get(f"/jobs/{job.json()['id']}").json()["state"]) not in ("succeeded", "failed"):
            load(client)
        assert state == "succeeded"
        ended = 'sum(job_kind_state:duet_jobs_ended:increase1h{kind="batch", state="succeeded"})'
        until(lambda: bool(load(client)) and value(server, ended) > 0)
        yield server


def load(client: httpx.Client) -> int:
    """Some requests of each kind; returns their number."""
    statuses = [
        client.post(f"/predict?model={model}", files={"file": gray_png(brightness)}).status_code
        for model in ("cnn", "mlp")
        for brightness in (0, 120, 255)
    ]
    statuses.append(client.post("/predict", files={"file": b"no image"}).status_code)
    assert statuses == [200] * 6 + [422]
    return len(statuses)


def value(server: Prometheus, query: str) -> float:
    """The only value of a query; 0 without one."""
    found = server.query(query)
    return float(found[0]["value"][1]) if found else 0.0


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SETTLED_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "the data did not appear in Prometheus"
        time.sleep(0.2)


def has_data(found: list[dict[str, Any]]) -> bool:
    return any(math.isfinite(float(each["value"][1])) for each in found)


def unfiltered(expression: str) -> str:
    """The expression of an alert with comparisons that return 0 or 1 instead of nothing."""
    inner = re.sub(r"^absent\((.*)\)$", r"\1", expression)
    return _COMPARISON.sub(r"\1 bool ", inner)


@pytest.mark.parametrize("record", RECORDS)
def test_recording_rule_returns_data(prometheus: Prometheus, record: str) -> None:
    assert has_data(prometheus.query(record))


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_compares_data(prometheus: Prometheus, alert: str) -> None:
    assert unfiltered(ALERTS[alert]) != ALERTS[alert]
    assert has_data(prometheus.query(unfiltered(ALERTS[alert]))), unfiltered(ALERTS[alert])


@pytest.mark.parametrize("query", QUERIES)
def test_panel_returns_data(prometheus: Prometheus, query: str) -> None:
    runnable = query.replace("$job", "duet").replace("$__rate_interval", "1m")
    assert "$" not in runnable
    found = prometheus.query(runnable)
    # Without a measured relation, the estimate without labels is NaN.
    assert found if "label_free" in query else has_data(found), runnable


def test_rules_are_healthy_and_the_expected_alert_fires(prometheus: Prometheus) -> None:
    until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    assert len(prometheus.rules()) == len(RULES)
    firing = {(each["metric"]["alertname"], each["metric"]["model"]) for each in prometheus.query(FIRING)}
    # All labels are black, so that most prediction sets miss the class; the load has few of the classes.
    assert ("DuetCoverageAlarm", "cnn") in firing
    assert {alert for alert, _ in firing} <= {"DuetCoverageAlarm", "DuetDriftAlarm"}


def test_query_of_an_unknown_metric_returns_no_data(prometheus: Prometheus) -> None:
    assert not has_data(prometheus.query('max by (kind) (duet_jobs_renamed{job="duet"})'))
