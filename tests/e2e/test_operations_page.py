"""Runbook docs/operations.md: every named test, metric, setting and message exists."""

from __future__ import annotations

import re
from pathlib import Path

from service.errors.table import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SYMPTOMS = PAGE.partition("## Symptoms")[2].partition("\n## ")[0]
ROWS = [line for line in PAGE.partition("## What is lost")[2].splitlines() if line.startswith("| ")][1:]


def test_every_row_has_its_test() -> None:
    assert len(ROWS) > 10
    for row in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.split("|")[-2])
        assert named, row
        for path, test in named:
            assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test


def test_named_metrics_exist() -> None:
    exported = re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    series = {*exported, *(f"{name}_bucket" for name in exported)}
    named = set(re.findall(r"\bduet_[a-z_]+", PAGE))
    assert len(named) > 15
    assert named - series == set()


def test_named_settings_exist() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bDUET_[A-Z_]+", PAGE))
    assert {name for name in named if f"`{name}`" not in settings} == set()


def test_named_problems_exist() -> None:
    """Rows of causes name problems by their slugs."""
    slugs = {problem.slug for problem in PROBLEMS.values()}
    cells = [line.split("|")[2] for line in SYMPTOMS.splitlines() if line.startswith("| ")]
    named = {word for cell in cells for word in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", cell)}
    assert len(named) > 10
    assert named - slugs == set()
