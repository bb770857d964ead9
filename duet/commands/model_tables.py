"""Terminal tables of `duet models`: versions, manifests, gate reports and the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.gate.report import GateReport
from core.repository.alias_files import Promotion
from core.repository.manifest import Manifest
from core.repository.repository import Layer

_NARROW = ("check", "version", "layer", "created", "time", "champion", ">parameters")


def print_summaries(rows: Iterable[dict[str, Any]]) -> None:
    """Print one line per version for `duet models list`; a `*` marks each champion."""
    table = _table("version", "champion", "layer", "created", ">test accuracy", ">parameters", ">size")
    damaged = []
    for row in rows:
        reference, mark = f"{row['family']}@{row['version']}", "*" if row["champion"] else ""
        if row["error"]:
            _add(table, reference, mark, "damaged")
            damaged.append(Text(row["error"]))
            continue
        created = f"{datetime.fromisoformat(row['created_at']).astimezone():%Y-%m-%d}"
        accuracy, parameters = f"{row['test_accuracy']:.2%}", f"{row['parameters']:,}"
        _add(table, reference, mark, row["layer"], created, accuracy, parameters, _size(row["bytes"]))
    Console().print(table, *damaged, sep="\n")


def print_manifest(manifest: Manifest, *, folder: Path, layer: Layer, champion: bool) -> None:
    """Print the fields of a manifest, one table per section, and a table of its files."""
    fields = manifest.model_dump(mode="json", exclude={"files"})
    general = {name: value for name, value in fields.items() if not isinstance(value, dict)}
    place = {"champion": "yes" if champion else "no", "layer": layer, "folder": str(folder)}
    console = Console()
    console.print(_pairs(manifest.reference, general | place))
    for name, value in fields.items():
        if isinstance(value, dict):
            console.print(_pairs(name, value))
    files = _table("file", ">size", "sha256", title="files")
    for name, record in manifest.files.items():
        _add(files, name, _size(record.bytes), record.sha256[:16])
    console.print(files)


def print_promotions(promotions: Iterable[Promotion]) -> None:
    """Print one line per entry of the audit trail."""
    table = _table(">entry", "time", "family", "action", "champion", "by", "reason")
    for entry in promotions:
        before = "none" if entry.from_version is None else str(entry.from_version)
        moved = f"{before} -> {entry.to_version}"
        _add(table, str(entry.entry), _time(entry.at), entry.family, entry.action, moved, entry.actor, entry.reason)
    Console().print(table)


def print_verdicts(report: GateReport) -> None:
    """Print one line per check of the gate and one per class."""
    table = _table("check", "passed", "finding")
    for verdict in report.verdicts:
        passed = "not measured" if verdict.value is None else _mark(verdict.passed)
        _add(table, verdict.name.replace("_", " "), passed, verdict.sentence)
    classes = _table("class", ">images", f">{report.family}@{report.candidate}", ">champion", ">p, worse", "passed")
    for one in report.classes:
        shares = f"{one.candidate:.1%}", f"{one.champion:.1%}"
        _add(classes, one.label, f"{one.images:,}", *shares, f"{one.p:.2g}", _mark(one.passed))
    Console().print(table, classes)


def _mark(passed: bool) -> str:
    return "yes" if passed else "no"


def _table(*columns: str, title: str | None = None) -> Table:
    """Create an empty table; columns whose names start with `>` are right-aligned."""
    table = Table(box=box.SIMPLE, title=title, title_justify="left")
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold", no_wrap=column in _NARROW
        )
    return table


def _add(table: Table, *cells: str) -> None:
    # Text instead of str: rich parses str as markup, and a reason may contain brackets.
    table.add_row(*(Text(cell) for cell in cells))


def _pairs(title: str, values: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE, title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in _leaves(values):
        _add(table, name, value)
    return table


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the dotted name and text of every leaf of nested dictionaries."""
    leaves: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves += _leaves(value, f"{prefix}{name}.")
        else:
            leaves.append((f"{prefix}{name}", _plain(value)))
    return leaves


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    return str(value)


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} B"
