"""Rules, alerts and dashboard of deploy/, compared with the metrics of the service and with the runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate.dashboard import page
from docs.generate.dashboard_panels import ROWS
from tests.support.promql import exported_metrics, metrics_in, problems_of, recorded_metrics

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULE_FILES = ("recording.yml", "alerts.yml")
TEST_FILES = ("rules_test.yml", "rules_long_test.yml")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


RULES = [rule for name in RULE_FILES for group in read(FOLDER / name)["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
EXPORTED = exported_metrics()
KNOWN = EXPORTED | recorded_metrics(rule["record"] for rule in RULES if "record" in rule)
PANELS = [panel for _, panels in ROWS for panel in panels]


@pytest.mark.parametrize("rule", RULES, ids=[rule.get("alert") or rule["record"] for rule in RULES])
def test_rule_uses_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    assert problems_of(rule["expr"], KNOWN) == []


@pytest.mark.parametrize("panel", PANELS, ids=[panel.title for panel in PANELS])
def test_panel_uses_metrics_and_labels_that_exist(panel: Any) -> None:
    for legend, query in panel.queries.items():
        assert problems_of(query, KNOWN, legend=legend) == []
        assert query.count('job="$job"') >= len(metrics_in(query)), "the query mixes installations"


def test_renamed_metric_or_label_is_a_problem() -> None:
    query = 'max by (kind) (duet_jobs{job="$job", state="queued"})'
    assert problems_of(query, KNOWN, legend="{{kind}}") == []
    renamed = {name: labels for name, labels in KNOWN.items() if name != "duet_jobs"}
    assert "there is no metric duet_jobs" in problems_of(query, renamed)
    relabelled = KNOWN | {"duet_jobs": {"type", "state"}}
    assert problems_of(query, relabelled) == ["no metric of the query has a label kind"]
    assert problems_of(query.replace("state", "status"), KNOWN) == ["duet_jobs has no label status"]
    assert problems_of(query, KNOWN, legend="{{model}}") == ["no metric of the query has a label model"]
    assert problems_of("job:duet_other:max > 1", KNOWN) == ["there is no metric job:duet_other:max"]
    assert problems_of("vector(1)", KNOWN) == ["the query names no metric of the service"]


def test_every_metric_is_used() -> None:
    queries = [rule["expr"] for rule in RULES] + [query for panel in PANELS for query in panel.queries.values()]
    used = set().union(*map(metrics_in, queries))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    unused = {name for name in EXPORTED if name.startswith("duet_")} - used
    assert {name for name in unused if re.sub(r"_(bucket|sum|count)$", "", name) not in families} == set(), (
        "add a panel to docs/generate/dashboard_panels.py, or a rule to deploy/prometheus"
    )
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    assert recorded <= used


def test_dashboard_panels_do_not_overlap() -> None:
    dashboard = json.loads(page())
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in own) < 24
        assert not own & cells, panel["title"]
        cells |= own
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_names_its_runbook_entry(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description"} <= alert["annotations"].keys()
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert anchor == f"alert-{name.lower()}"
    page = (ROOT / path).read_text(encoding="utf-8")
    assert page.count(f'<a id="{anchor}">') == 1
    assert f"`{name}` ({alert['labels']['severity']})" in page


def test_every_alert_has_a_unit_test_that_fires_and_one_that_does_not() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for name in TEST_FILES:
        for group in read(FOLDER / name)["tests"]:
            for test in group["promql_expr_test"]:
                found = re.search(r'alertname=(~?)"([^"]+)"', test["expr"])
                if found is None:
                    continue
                asked = {alert for alert in ALERTS if re.fullmatch(found[2], alert)}
                assert asked, test["expr"]
                fired = {re.search(r'alertname="(\w+)"', each["labels"])[1] for each in test["exp_samples"]}  # type: ignore[index]
                fires |= fired
                silent |= asked - fired
    assert (fires, silent) == (set(ALERTS), set(ALERTS))


@pytest.mark.slow
def test_rules_pass_promtool() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool checks the rules and is not installed (Debian's package prometheus)")
    for command in (
        ["check", "rules", *RULE_FILES],
        ["check", "config", "prometheus.yml"],
        ["check", "config", "compose.yml"],
        ["test", "rules", *TEST_FILES],
    ):
        done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_under_the_name_that_alerts_select() -> None:
    monitor = read(ROOT / "deploy" / "kubernetes" / "monitoring" / "podmonitor.yaml")["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    jobs = {endpoint["relabelings"][0]["replacement"]}
    for name in ("prometheus.yml", "compose.yml"):
        configuration = read(FOLDER / name)
        assert configuration["rule_files"] == list(RULE_FILES)
        jobs |= {each["job_name"] for each in configuration["scrape_configs"]}
    assert (
        jobs == set(re.findall(r'up\{job="(\w+)"\}', " ".join(alert["expr"] for alert in ALERTS.values()))) == {"duet"}
    )


def test_pod_monitor_selects_the_api_and_its_port() -> None:
    monitor = read(ROOT / "deploy" / "kubernetes" / "monitoring" / "podmonitor.yaml")["spec"]
    manifests = list(
        yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "base" / "api.yaml").read_text(encoding="utf-8"))
    )
    pod = next(each for each in manifests if each["kind"] == "Deployment")["spec"]["template"]
    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    [endpoint] = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert endpoint["path"] == "/metrics"


def test_kubernetes_has_the_same_rules() -> None:
    manifest = read(ROOT / "deploy" / "kubernetes" / "monitoring" / "rules.yaml")
    assert manifest["kind"] == "PrometheusRule"
    assert [rule for group in manifest["spec"]["groups"] for rule in group["rules"]] == RULES


def test_compose_profile_mounts_files_that_exist() -> None:
    services = read(ROOT / "docker-compose.yml")["services"]
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        for volume in services[name]["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists()
    assert "--config.file=/etc/prometheus/compose.yml" in services["prometheus"]["command"]
    source = read(ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    target = read(FOLDER / "compose.yml")["scrape_configs"][0]["dns_sd_configs"][0]
    assert (target["names"], target["port"]) == (["api"], 8000)
    assert "api" in services


def test_compose_accepts_the_profile() -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    done = subprocess.run(
        ["docker-compose", "--profile", "monitoring", "config", "--services"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {"api", "prometheus", "grafana"} <= set(done.stdout.split())
