"""Manifests of deploy/kubernetes, compared with settings, images and keys of the broker; no cluster needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service.jobs.store.keys import LEASES, QUEUED
from service.observability.metrics import Metrics
from service.server.local_jobs import STOP_WORKER_SECONDS
from service.settings import DRAIN_SECONDS, Settings, read_settings
from tests.e2e.test_container_settings import set_by_image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("trial", "external-redis")
RELEASE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
HOME = "/var/lib/duet"

Manifest = dict[str, Any]
Manifests = dict[tuple[str, str], Manifest]


def by_kind_and_name(text: str) -> Manifests:
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


BASE: Manifests = {
    key: manifest
    for name in yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    for key, manifest in by_kind_and_name((FOLDER / "base" / name).read_text(encoding="utf-8")).items()
}
POD = {name: BASE["Deployment", f"duet-{name}"]["spec"]["template"]["spec"] for name in ("api", "worker")}
CONTAINER = {name: pod["containers"][0] for name, pod in POD.items()}
METRICS = {family.name for family in Metrics("").registry.collect()}


@pytest.fixture(scope="module", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Manifests:
    """All manifests of an overlay."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl renders the overlays and is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(FOLDER / request.param)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return by_kind_and_name(done.stdout)


@pytest.mark.parametrize("name", ["api", "worker"])
def test_environment_consists_of_settings_that_the_image_leaves_open(name: str) -> None:
    given = {*BASE["ConfigMap", "duet-settings"]["data"], *(each["name"] for each in CONTAINER[name]["env"])}
    assert given <= {f"DUET_{setting.upper()}" for setting in Settings.model_fields}
    assert given.isdisjoint(set_by_image("service" if name == "api" else "worker"))


@pytest.mark.parametrize("name", ["api", "worker"])
def test_settings_are_valid(name: str, rendered: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("DUET_")]:
        monkeypatch.delenv(variable)
    for variable, value in rendered["ConfigMap", "duet-settings"]["data"].items():
        monkeypatch.setenv(variable, value)
    for each in CONTAINER[name]["env"]:
        if "resourceFieldRef" in each["valueFrom"]:
            monkeypatch.setenv(each["name"], CONTAINER[name]["resources"]["limits"]["cpu"])
    settings = read_settings()
    assert settings.redis_url is not None
    # KEDA counts at the broker, and in the database, that the service uses.
    url = urlsplit(settings.redis_url.get_secret_value())
    triggers = [trigger["metadata"] for trigger in rendered["ScaledObject", "duet-worker"]["spec"]["triggers"]]
    assert [trigger["address"] for trigger in triggers] == [f"{url.hostname}:{url.port}"] * 2
    assert [trigger["databaseIndex"] for trigger in triggers] == [url.path.removeprefix("/")] * 2
    assert [trigger.get("enableTLS") == "true" for trigger in triggers] == [url.scheme == "rediss"] * 2
    # The password file is in the mounted Secret.
    mounts = {each["name"]: each["mountPath"] for each in CONTAINER[name]["volumeMounts"]}
    assert str(settings.redis_password_file) == f"{mounts['redis-password']}/password"
    assert settings.threads_per_job == 4 if name == "worker" else settings.model_threads == 2


def test_broker_is_reachable_through_the_policies(rendered: Manifests) -> None:
    url = urlsplit(rendered["ConfigMap", "duet-settings"]["data"]["DUET_REDIS_URL"])
    rules = rendered["NetworkPolicy", "names-and-broker"]["spec"]["egress"]
    assert rules[1]["ports"] == [{"port": url.port}]
    if ("StatefulSet", "redis") in rendered:
        store = rendered["StatefulSet", "redis"]["spec"]["template"]
        assert url.hostname == rendered["Service", "redis"]["metadata"]["name"]
        assert rendered["Service", "redis"]["spec"]["ports"][0]["port"] == url.port
        assert rules[1]["to"][0]["podSelector"]["matchLabels"].items() <= store["metadata"]["labels"].items()


def test_workers_are_scaled_on_queued_and_running_jobs() -> None:
    scaled = BASE["ScaledObject", "duet-worker"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == BASE["Deployment", "duet-worker"]["metadata"]["name"]
    assert {each["name"]: each["metadata"]["listName"] for each in scaled["triggers"]} == {
        "queued": QUEUED,
        "running": LEASES,
    }
    assert set(scaled["advanced"]["scalingModifiers"]["formula"].split(" + ")) == {"queued", "running"}
    # One worker runs this many jobs at once.
    jobs = Settings.model_fields["worker_jobs"].default
    assert int(scaled["advanced"]["scalingModifiers"]["target"]) == jobs


def test_api_is_scaled_on_a_metric_that_exists() -> None:
    _, requests = BASE["HorizontalPodAutoscaler", "duet-api"]["spec"]["metrics"]
    metric = requests["pods"]["metric"]["name"]
    assert metric in METRICS
    [rule] = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text(encoding="utf-8"))["rules"]["custom"]
    assert rule["name"]["matches"] == metric
    assert rule["seriesQuery"].startswith(f"{metric}{{")
    # It scales before the queue of a pod refuses requests.
    assert int(requests["pods"]["target"]["averageValue"]) < Settings.model_fields["queue_size"].default


def test_grace_periods_exceed_the_drain() -> None:
    notice = Settings.model_fields["drain_notice_seconds"].default
    before = CONTAINER["api"]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["api"]["terminationGracePeriodSeconds"] > before + notice + DRAIN_SECONDS
    assert POD["worker"]["terminationGracePeriodSeconds"] > STOP_WORKER_SECONDS


def test_port_and_probes_are_those_of_the_service() -> None:
    port = Settings.model_fields["port"].default
    api = CONTAINER["api"]
    assert api["ports"] == [{"name": "http", "containerPort": port}]
    paths = {name: api[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["path"] for name, probe in paths.items()} == {
        "startup": "/livez",
        "readiness": "/readyz",
        "liveness": "/livez",
    }
    assert {probe["port"] for probe in paths.values()} == {"http"}
    assert CONTAINER["worker"]["readinessProbe"]["exec"]["command"][-1] == "/opt/duet/ready.py"


def test_service_and_budget_select_the_api() -> None:
    labels = BASE["Deployment", "duet-api"]["spec"]["template"]["metadata"]["labels"]
    service = BASE["Service", "duet"]["spec"]
    assert service["selector"].items() <= labels.items()
    assert BASE["PodDisruptionBudget", "duet-api"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    names = BASE["ConfigMap", "duet-settings"]["data"]["DUET_ALLOWED_HOSTS"].split(",")
    assert {"duet", "duet.duet.svc"} <= set(names)


def test_pods_are_hardened_and_write_to_volumes_only(rendered: Manifests) -> None:
    pods = [
        manifest["spec"]["template"]["spec"]
        for (kind, _), manifest in rendered.items()
        if kind in ("Deployment", "StatefulSet")
    ]
    assert len(pods) >= 2
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= set(container["resources"])
    denied = rendered["NetworkPolicy", "deny-all"]["spec"]
    assert (denied["podSelector"], denied["policyTypes"]) == ({}, ["Ingress", "Egress"])


def test_api_and_worker_share_a_home_of_several_nodes() -> None:
    assert BASE["PersistentVolumeClaim", "duet-home"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("api", "worker"):
        assert {"name": "home", "mountPath": HOME} in CONTAINER[name]["volumeMounts"]
        assert {"name": "home", "persistentVolumeClaim": {"claimName": "duet-home"}} in POD[name]["volumes"]
    for image in ("service", "worker"):
        text = (ROOT / "docker" / f"{image}.Dockerfile").read_text(encoding="utf-8")
        assert f"DUET_HOME={HOME} " in text


def test_images_are_those_of_this_release(rendered: Manifests) -> None:
    for name in ("api", "worker"):
        [container] = rendered["Deployment", f"duet-{name}"]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"duet-{'service' if name == 'api' else 'worker'}:{RELEASE}"


def test_kserve_runtime_serves_v2_without_jobs() -> None:
    manifests = by_kind_and_name((FOLDER / "kserve.yaml").read_text(encoding="utf-8"))
    runtime, service = manifests["ServingRuntime", "duet"]["spec"], manifests["InferenceService", "duet"]["spec"]
    [container] = runtime["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert set(variables) <= {f"DUET_{setting.upper()}" for setting in Settings.model_fields}
    assert (variables["DUET_EMBEDDED_BROKER"], variables["DUET_EMBEDDED_WORKER"]) == ("0", "0")
    assert container["image"] == f"duet-service:{RELEASE}"
    assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    model = service["predictor"]["model"]
    assert model["runtime"] == manifests["ServingRuntime", "duet"]["metadata"]["name"]
    assert model["modelFormat"]["name"] in {each["name"] for each in runtime["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime["protocolVersions"]


@pytest.mark.full
def test_schemas_and_checkov_accept_the_manifests() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl renders the overlays and is not installed")
    done = subprocess.run(["make", "--silent", "manifests"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
