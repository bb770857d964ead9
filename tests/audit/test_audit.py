"""Audit of README and findings: its claims agree, it notices wrong figures, and it shares no code with the project."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

from tests.audit import checks, trail
from tests.audit.checks import CHECKS
from tests.audit.formulas import printed
from tests.audit.sources import Sources, cell, read_pages

IMAGES = 1_000
WITHOUT_CIFAR10 = ("files", "scores", "calibration", "families", "corrupted_holdout")


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(IMAGES)


def disagreeing(check: str, sources: Sources) -> list[str]:
    claims = list(CHECKS[check](sources))
    assert claims
    return [f"{each.name}: claimed {each.claimed}, recomputed {each.recomputed}" for each in claims if not each.agrees]


@pytest.mark.parametrize("check", WITHOUT_CIFAR10)
def test_figures_from_stored_predictions_agree(check: str, sources: Sources) -> None:
    assert disagreeing(check, sources) == []


@pytest.mark.cifar10
@pytest.mark.slow
@pytest.mark.parametrize("check", ["cifar10", "inference", pytest.param("corruptions", marks=pytest.mark.full)])
def test_figures_from_the_images_agree(check: str, sources: Sources) -> None:
    if not os.environ.get("DUET_DATA_DIR"):
        pytest.skip("DUET_DATA_DIR is not set")
    assert disagreeing(check, sources) == []


def test_gate_trail_ends_at_the_champions(sources: Sources) -> None:
    assert disagreeing("gate_trail", sources) == []


def test_every_check_has_a_test() -> None:
    assert set(CHECKS) == {*WITHOUT_CIFAR10, "cifar10", "inference", "corruptions", "gate_trail"}


@pytest.mark.parametrize(
    ("page", "row", "column", "check"),
    [
        ("README", "cnn", "accuracy", "scores"),
        ("findings", "macro F1", "mlp", "scores"),
        ("findings", "coverage of prediction sets", "cnn", "calibration"),
        ("findings", "cat", "p after Holm", "families"),
    ],
)
def test_wrong_figure_is_noticed(page: str, row: str, column: str, check: str, sources: Sources) -> None:
    names = {each.family: each.reference for each in sources.champions}
    row, column = names.get(row, row), names.get(column, column)
    text = sources.pages[page]
    right = cell(text, row, column)
    digit = next(each for each in reversed(right.split(" ")[0]) if each.isdigit() and each != "0")
    wrong = (
        right.replace(digit, str(int(digit) - 1), 1) if right.count(digit) == 1 else right.replace(right[:2], "11", 1)
    )
    changed = Sources(IMAGES, {**sources.pages, page: text.replace(f"| {right} |", f"| {wrong} |")})
    assert disagreeing(check, sources) == []
    assert len(disagreeing(check, changed)) >= 1


@pytest.mark.parametrize(
    ("text", "values", "agrees"),
    [
        ("94.9% (94.4% to 95.3%)", (0.9486, 0.9441, 0.95276), True),
        ("94.9%", (0.9484,), False),
        ("1.31%", (0.01314,), True),
        ("-0.24 (-0.47 to -0.01)", (-0.24,), True),
        ("7,736 images", (7736,), True),
        ("7,736 images", (7737,), False),
        ("5%", (0.05, 0.04), False),
        ("", (0.5,), False),
    ],
)
def test_printed_compares_to_the_last_digit(text: str, values: tuple[float, ...], agrees: bool) -> None:
    assert printed("figure", text, *values).agrees == agrees


def test_cells_are_found_by_row_and_column() -> None:
    page = "| a | `cnn@1` |\n|---|---|\n| x | 1 |\n\ntext\n\n| b | c | d |\n|---|---|---|\n| x | y | 2 |\n"
    assert [cell(page, "x", "cnn@1"), cell(page, ("x", "y"), "d"), cell(page, "z", "d")] == ["1", "2", ""]


def promotion(entry: int, to: int, before: int | None, **evidence: object) -> dict[str, object]:
    """One line of an audit trail."""
    return {
        "entry": entry, "family": "cnn", "action": "promote", "from_version": before, "to_version": to,
        "evidence": evidence,
    }  # fmt: skip


def report(candidate: int, champion: int | None, *, passed: bool) -> dict[str, object]:
    """The parts of a gate report that the audit reads."""
    return {"candidate": candidate, "champion": champion, "passed": passed, "comparison": None}


@pytest.mark.parametrize(
    ("lines", "said", "problems"),
    [
        ([promotion(1, 3, None, forced=False, gate=report(3, None, passed=True))], "", 0),
        ([promotion(1, 3, None, forced=False, gate=report(3, None, passed=False))], "", 1),
        ([promotion(1, 3, None, forced=True, gate=report(3, None, passed=False))], "", 1),
        (
            [promotion(1, 3, None, forced=True, gate=report(3, None, passed=False))],
            "- other\n- cnn@3 was\n  forced\n",
            0,
        ),
        ([promotion(1, 3, None, forced=True, gate=report(3, None, passed=False))], "- cnn@3\n- forced\n", 1),
        ([promotion(1, 3, None)], "", 1),
        ([promotion(1, 3, 2, forced=False, gate=report(3, 2, passed=True))], "", 1),
        ([promotion(1, 4, None, forced=False, gate=report(4, None, passed=True))], "", 1),
    ],
)
def test_trail_is_replayed(
    lines: list[dict[str, object]], said: str, problems: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "MODELS", tmp_path)
    (tmp_path / "promotions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    replayed = Sources(IMAGES, {"README": said})
    replayed.__dict__["aliases"] = {"champions": {"mlp": 1, "cnn": 3}, "last_entry": len(lines)}
    wrong = [line for line in disagreeing("gate_trail", replayed) if "mlp@1" not in line]
    assert len(wrong) == problems


def test_audit_shares_no_code_with_the_project() -> None:
    for path in Path(checks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] not in {"core", "training", "service", "duet", "benchmarks", "docs"}, path
                assert not name.startswith("tests.") or name.startswith("tests.audit"), path


def test_pages_name_the_champions(sources: Sources) -> None:
    for version in sources.champions:
        assert all(version.reference in page for page in read_pages().values())
