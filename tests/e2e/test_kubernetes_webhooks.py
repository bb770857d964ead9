"""Kustomize component of webhooks: settings of the api, and the policy that lets it reach receivers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from service.settings import Settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders the overlay and is not installed")
@pytest.mark.parametrize("overlay", ["trial", "external-redis"])
def test_component_gives_the_api_receivers_and_a_way_out(overlay: str, tmp_path: Path) -> None:
    relative = {name: os.path.relpath(FOLDER / name, tmp_path) for name in (overlay, "webhooks")}
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [relative[overlay]], "components": [relative["webhooks"]]})
    )
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifests = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    api = manifests["Deployment", "duet-api"]["spec"]["template"]
    environment = {each["name"]: each["valueFrom"] for each in api["spec"]["containers"][0]["env"]}
    assert environment["DUET_WEBHOOK_URLS"] == {"secretKeyRef": {"name": "duet-webhooks", "key": "urls"}}
    assert environment["DUET_WEBHOOK_SECRET"] == {"secretKeyRef": {"name": "duet-webhooks", "key": "secret"}}
    assert {name.removeprefix("DUET_").lower() for name in environment} <= Settings.model_fields.keys()
    policy = manifests["NetworkPolicy", "api-webhooks"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= api["metadata"]["labels"].items()
    (rule,) = policy["egress"]
    assert rule["ports"] == [{"port": 443}]
    assert rule["to"] == manifests["NetworkPolicy", "worker-downloads"]["spec"]["egress"][0]["to"]
    worker = manifests["Deployment", "duet-worker"]["spec"]["template"]["spec"]["containers"][0]
    assert not any(each["name"].startswith("DUET_WEBHOOK") for each in worker["env"])
