"""Configuration of pre-commit and of the public CI: every command that they name exists."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOOKS: list[dict[str, Any]] = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]
]
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
TARGETS = [step["run"].removeprefix("make ") for step in STEPS if "run" in step]


def test_hooks_check_style_and_generated_files() -> None:
    assert [hook["id"] for hook in HOOKS] == ["ruff", "ruff-format", "generated-files"]
    assert all(hook["language"] == "system" for hook in HOOKS)


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_hook_runs_a_program_of_the_development_environment(hook: dict[str, Any]) -> None:
    program, *words = shlex.split(hook["entry"])
    assert program in (".venv-dev/bin/ruff", ".venv-dev/bin/python")
    for word in words:
        assert "/" not in word or (ROOT / word).is_file(), word


def test_generated_files_hook_covers_generated_files() -> None:
    [pattern] = [hook["files"] for hook in HOOKS if hook["id"] == "generated-files"]
    for path in ("openapi.json", "docs/settings.md", "docs/metrics.md", "service/settings.py", "core/errors.py"):
        assert re.search(pattern, path), path
    assert not re.search(pattern, "tests/service/test_settings.py")


def test_workflow_tests_every_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [line.rpartition(" :: ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == named == ["3.11", "3.12", "3.13", "3.14"]


def test_workflow_runs_every_tier() -> None:
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in WORKFLOW["jobs"].items()}
    assert runs == {
        "check": ["make check"],
        "test": ["make .venv-dev/ready", "make test"],
        "lint": ["make lint"],
        "manifests": ["make manifests"],
        "all": ["make test-all"],
    }
    assert WORKFLOW["jobs"]["test"]["needs"] == "check"


def test_long_tier_runs_on_a_schedule_and_on_request_only() -> None:
    # YAML 1.1 reads the key `on` as true.
    assert set(WORKFLOW[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}
    conditional = {name: job["if"] for name, job in WORKFLOW["jobs"].items() if "if" in job}
    assert conditional == {"all": "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"}


def test_workflow_cannot_write_to_the_repository() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job]


@pytest.mark.parametrize("target", TARGETS)
def test_workflow_targets_exist(target: str) -> None:
    assert recipe(target)


def test_tiers_select_by_markers_that_are_registered() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    registered = {line.partition(":")[0] for line in options["markers"]}
    selected = {target: marker_expression(target) for target in ("check", "test", "test-all")}
    assert selected == {
        "check": "not slow and not full and not browser",
        "test": "not full and (smoke or not browser)",
        "test-all": None,
    }
    for expression in filter(None, selected.values()):
        assert set(re.findall(r"\w+", expression)) - {"not", "and", "or"} <= registered


def marker_expression(target: str) -> str | None:
    """Return the expression that `make target` passes to pytest's -m."""
    [line] = [line for line in recipe(target) if "$(PYTEST)" in line]
    words = shlex.split(line.partition("$(PYTEST)")[2])
    return words[words.index("-m") + 1] if "-m" in words else None


def recipe(target: str) -> list[str]:
    """Return the commands of a target in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [commands] = re.findall(rf"^{re.escape(target)}:[^\n]*\n((?:\t[^\n]*\n|  [^\n]*\n)+)", makefile, re.MULTILINE)
    return [line.strip() for line in commands.splitlines()]
