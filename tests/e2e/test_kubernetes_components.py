"""Kustomize components of deploy/kubernetes: settings of the pods, and the policies that let them out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from core.tracing.tracer import check_tracing
from service.settings import Settings, read_settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
COMPONENTS = ("webhooks", "oidc", "tracing")

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
Manifests = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(params=["trial", "external-redis"])
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> Manifests:
    """An overlay with all components."""
    folders = {name: os.path.relpath(FOLDER / name, tmp_path) for name in (request.param, *COMPONENTS)}
    overlay = {"resources": [folders[request.param]], "components": [folders[name] for name in COMPONENTS]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}


def pod(manifests: Manifests, name: str) -> dict[str, Any]:
    found: dict[str, Any] = manifests["Deployment", name]["spec"]["template"]
    return found


def environment(manifests: Manifests, name: str) -> dict[str, Any]:
    return {each["name"]: each for each in pod(manifests, name)["spec"]["containers"][0]["env"]}


def test_every_component_is_tested() -> None:
    kinds = {path.parent.name: yaml.safe_load(path.read_text())["kind"] for path in FOLDER.glob("*/kustomization.yaml")}
    assert {name for name, kind in kinds.items() if kind == "Component"} == set(COMPONENTS)


def test_webhooks_give_the_api_receivers(manifests: Manifests) -> None:
    found = environment(manifests, "duet-api")
    for variable, key in (("DUET_WEBHOOK_URLS", "urls"), ("DUET_WEBHOOK_SECRET", "secret")):
        assert found[variable]["valueFrom"] == {"secretKeyRef": {"name": "duet-webhooks", "key": key}}
        assert variable.removeprefix("DUET_").lower() in Settings.model_fields
    assert not any(name.startswith("DUET_WEBHOOK") for name in environment(manifests, "duet-worker"))


def test_oidc_names_a_provider(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_OIDC", environment(manifests, "duet-api")["DUET_OIDC"]["value"])
    provider = read_settings().oidc
    assert provider is not None
    assert provider.issuer.startswith("https://")
    assert "DUET_OIDC" not in environment(manifests, "duet-worker")


@pytest.mark.parametrize("policy", ["api-webhooks", "api-oidc"])
def test_api_reaches_public_addresses_over_https_only(manifests: Manifests, policy: str) -> None:
    spec = manifests["NetworkPolicy", policy]["spec"]
    assert spec["podSelector"]["matchLabels"].items() <= pod(manifests, "duet-api")["metadata"]["labels"].items()
    (rule,) = spec["egress"]
    assert rule["ports"] == [{"port": 443}]
    assert rule["to"] == manifests["NetworkPolicy", "worker-downloads"]["spec"]["egress"][0]["to"]


def test_traces_of_api_and_worker_reach_the_collector(manifests: Manifests) -> None:
    settings = manifests["ConfigMap", "duet-settings"]["data"]
    assert check_tracing(settings)
    collector = urlsplit(settings["OTEL_EXPORTER_OTLP_ENDPOINT"])
    spec = manifests["NetworkPolicy", "traces"]["spec"]
    (selected,) = spec["podSelector"]["matchExpressions"]
    labels = {pod(manifests, name)["metadata"]["labels"][selected["key"]] for name in ("duet-api", "duet-worker")}
    assert set(selected["values"]) == labels
    (rule,) = spec["egress"]
    assert rule["ports"] == [{"port": collector.port}]
    namespace = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert str(collector.hostname).split(".")[1] == namespace
    for name in ("duet-api", "duet-worker"):
        sources = pod(manifests, name)["spec"]["containers"][0]["envFrom"]
        assert {"configMapRef": {"name": "duet-settings"}} in sources
