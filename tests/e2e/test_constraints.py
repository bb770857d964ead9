"""Constraint files: installed and oldest allowed versions in constraints.txt and constraints-oldest.txt."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKED = r"\$\(LOCKED\)|--constraint |-r torch-locked\.txt|--require-hashes +-r requirements-"
ASKED = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]


def lines(name: str) -> list[str]:
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def test_every_requirement_is_locked_within_its_bounds() -> None:
    locked = dict(line.split("==") for line in lines("constraints.txt"))
    for requirement in map(Requirement, ASKED):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not locked: run make constraints, or add the line to constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement} is locked to {version}"


def test_oldest_constraints_are_the_lower_bounds() -> None:
    oldest = dict(line.split("==") for line in lines("constraints-oldest.txt"))
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["serve"]]
    bounds = {
        canonicalize_name(one.name): Version(specifier.version)
        for one in map(Requirement, asked)
        for specifier in one.specifier
        if specifier.operator == ">="
    }
    assert {name: Version(version) for name, version in oldest.items()} == bounds, "run: make constraints"


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_name_no_package_index(name: str) -> None:
    for line in lines(name):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


def hashed(name: str) -> dict[str, list[str]]:
    """Return the hashes of each `name==version` in a list of requirements."""
    text = re.sub(r" *\\\n +", " ", (ROOT / name).read_text(encoding="utf-8"))
    return {line.split()[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})", line) for line in text.splitlines()}


def test_service_is_installed_with_hashes_of_the_locked_versions() -> None:
    service, build = hashed("requirements-serve.txt"), hashed("requirements-build.txt")
    assert all(service.values())
    assert all(build.values())
    locked = {line.split("==")[0]: line for line in lines("constraints.txt")}
    for requirement in [*service, *build]:
        assert locked.get(requirement.split("==")[0], requirement) == requirement, "run: make constraints"
    names = {requirement.split("==")[0] for requirement in service}
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["serve"]]
    assert {canonicalize_name(Requirement(line).name) for line in asked} <= names, "run: make constraints"
    [backend] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    [locked_backend] = [Requirement(line) for line in build if line.startswith("hatchling==")]
    assert Requirement(backend).specifier.contains(str(locked_backend.specifier).removeprefix("=="))
    assert f"'{backend}' editables" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_installations_use_the_constraints() -> None:
    recipes = [(ROOT / path).read_text(encoding="utf-8") for path in ("Makefile", "docker/service.Dockerfile")]
    recipes.append((ROOT / "docker" / "worker.Dockerfile").read_text(encoding="utf-8"))
    for recipe in recipes:
        for line in re.sub(r"\\\n\s*", "", recipe).splitlines():
            if " install " in line and "pip" in line and "--no-deps" not in line and ".venv-constraints" not in line:
                assert re.search(LOCKED, line), line


def test_package_of_several_extras_has_one_bound() -> None:
    bounds: dict[str, set[str]] = {}
    for requirement in map(Requirement, ASKED):
        bounds.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}
