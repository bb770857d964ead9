"""Build of the images: the bake file, the lists with hashes, and the versions in an image; no engine needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e.test_constraints import hashed, lines

ROOT = Path(__file__).resolve().parents[2]
BAKE: dict[str, Any] = json.loads((ROOT / "docker-bake.json").read_text(encoding="utf-8"))
TARGETS = {name: target for name, target in BAKE["target"].items() if not name.startswith("_")}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def resolved(name: str) -> dict[str, Any]:
    """Return a target with what it inherits; arguments are merged, as buildx does."""
    target: dict[str, Any] = BAKE["target"][name]
    merged: dict[str, Any] = {}
    for parent in target.get("inherits", []):
        merged |= resolved(parent)
    return merged | target | {"args": merged.get("args", {}) | target.get("args", {})}


def test_bake_builds_every_image_for_both_architectures() -> None:
    assert BAKE["group"]["default"]["targets"] == ["service", "worker", "proxy"]
    assert set(TARGETS) == {"service", "service-cpu", "worker", "proxy"}
    for name in TARGETS:
        assert resolved(name)["platforms"] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("name", TARGETS)
def test_bake_targets_name_files_arguments_and_variables_that_exist(name: str) -> None:
    target = resolved(name)
    file = ROOT / target["context"] / target["dockerfile"]
    declared = set(re.findall(r"^ARG (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(target["args"]) <= declared
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(target)))
    assert used <= set(BAKE["variable"])
    assert target["tags"][0].startswith("${REGISTRY}duet-")


def test_bake_tags_are_the_release() -> None:
    assert BAKE["variable"]["TAG"]["default"] == PROJECT["version"]


def test_build_context_contains_what_the_images_copy() -> None:
    allowed = set(lines(".dockerignore"))
    for name in ("service", "worker"):
        text = (ROOT / "docker" / f"{name}.Dockerfile").read_text(encoding="utf-8")
        for line in re.findall(r"^COPY (?!--)(.+)", text, re.MULTILINE):
            for source in line.split()[:-1]:
                assert f"!{source}" in allowed, source
                assert (ROOT / source).exists(), source


def test_worker_is_installed_with_hashes_except_torch() -> None:
    worker = hashed("requirements-worker.txt")
    assert all(worker.values())
    locked = {line.split("==")[0]: line for line in lines("constraints.txt")}
    for requirement in worker:
        assert locked.get(requirement.split("==")[0], requirement) == requirement, "run: make constraints"
    names = {requirement.split("==")[0] for requirement in worker}
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *extras["serve"], *extras["openvino"], *extras["training"]]
    missing = {canonicalize_name(Requirement(line).name) for line in asked} - names
    assert missing == {"torch", "torchvision"}, "run: make constraints"
    assert not [name for name in names if re.match(r"(cuda|nvidia|triton|torch)", name)]


@pytest.mark.parametrize("name", ["service", "worker"])
def test_image_has_the_extras_that_its_file_names(name: str) -> None:
    said = re.match(r"# Image of the .*?\.", (ROOT / "docker" / f"{name}.Dockerfile").read_text(encoding="utf-8"), re.S)
    assert said is not None
    extras = re.findall(r"`(\w+)`", said[0])
    assert {"serve", "openvino", "tracing", "remote"} <= set(extras)
    installed = {line.split("==")[0] for line in hashed(f"requirements-{'serve' if name == 'service' else name}.txt")}
    asked = [
        canonicalize_name(Requirement(line).name) for each in extras for line in PROJECT["optional-dependencies"][each]
    ]
    assert set(asked) - installed <= {"torch", "torchvision"}, "run: make constraints"
    [recipe] = re.findall(rf"--output-file \.venv-constraints/{'serve' if name == 'service' else name}\.txt", MAKEFILE)
    command = MAKEFILE[: MAKEFILE.index(recipe)].rpartition("$(HASHED)")[2]
    assert set(re.findall(r"--extra (\w+)", command)) == set(extras)


def test_sbom_tool_is_installed_with_hashes() -> None:
    sbom = hashed("requirements-sbom.txt")
    assert all(sbom.values())
    assert any(requirement.startswith("cyclonedx-bom==") for requirement in sbom)


def test_openvino_argument_removes_one_requirement(tmp_path: Path) -> None:
    text = (ROOT / "docker" / "service.Dockerfile").read_text(encoding="utf-8")
    [expression] = re.findall(r"sed -i '(/\^onnxruntime-ep-openvino==[^']+)'", text)
    path = ROOT / "requirements-serve.txt"
    before = path.read_text(encoding="utf-8")
    after = subprocess.run(["sed", expression, str(path)], capture_output=True, text=True, check=True).stdout
    (tmp_path / "list").write_text(after)
    assert before.count("==") - after.count("==") == 3
    assert "onnxruntime-ep-openvino" not in after
    assert re.search(r"^onnxruntime==", after, re.MULTILINE)


def champions_only(models: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docker" / "champions.py"), str(models)]
    return subprocess.run(command, capture_output=True, text=True)


def models_folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for version in ("cnn/3", "cnn/5", "mlp/4", "reports/latency"):
        (models / version).mkdir(parents=True)
        (models / version / "manifest.json").touch()
    (models / "aliases.json").write_text(json.dumps({"champions": {"cnn": 5, "mlp": 4}}))
    return models


def test_image_keeps_only_champions(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    assert champions_only(models).returncode == 0
    assert {path.parent.relative_to(models).as_posix() for path in models.rglob("manifest.json")} == {
        "cnn/5",
        "mlp/4",
        "reports/latency",
    }


def test_missing_champion_fails_the_build(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    shutil.rmtree(models / "cnn" / "5")
    done = champions_only(models)
    assert done.returncode == 1
    assert "cnn@5 is champion but not in" in done.stderr
    assert (models / "cnn" / "3").exists()
