"""`duet explore`: statistics and figures of a data set, written to a folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.progress import Progress

from core.errors import ConfigurationError
from training.analysis.explore.duplicates import find_duplicates
from training.analysis.explore.findings import Findings
from training.analysis.explore.gallery import gallery
from training.analysis.explore.page import render_page
from training.analysis.explore.statistics import describe
from training.data.splits import Split
from training.data.types import ImageDataset
from training.plots.save import png
from training.plots.theme import DARK, LIGHT


def explore(dataset: ImageDataset, split: Split, out: Path, progress: Progress) -> Findings:
    """Write explore.json, figures/*.png and index.html into the folder `out`. The folder is created if missing.

    Raises:
        ConfigurationError: `out` is not writable.
    """
    findings = find(dataset, split, progress)
    figures = draw(dataset, split, findings, progress)
    try:
        write(findings, figures, out)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {out} ({error.strerror}); name another folder with --out") from error
    return findings


def find(dataset: ImageDataset, split: Split, progress: Progress) -> Findings:
    """Compute the statistics and find the duplicates."""
    counting = progress.add_task("Counting", total=1)
    statistics = describe(dataset, split)
    progress.advance(counting)
    duplicates = find_duplicates(
        dataset, split, track=lambda blocks: progress.track(blocks, description="Looking for duplicates")
    )
    return Findings(
        schema_version=1,
        name=dataset.name,
        class_names=dataset.class_names,
        licence=dataset.licence,
        digest=dataset.digest,
        split_digest=split.digest,
        statistics=statistics,
        duplicates=duplicates,
    )


def draw(dataset: ImageDataset, split: Split, findings: Findings, progress: Progress) -> dict[str, dict[str, bytes]]:
    """Draw the figures; returns PNG files by figure name and theme name."""
    figures = gallery(dataset, split, findings.statistics, findings.duplicates)
    return {
        name: {theme.name: png(figure(theme)) for theme in (LIGHT, DARK)}
        for name, figure in progress.track(figures.items(), description="Drawing")
    }


def write(findings: Findings, figures: dict[str, dict[str, bytes]], out: Path) -> None:
    """Write the findings as JSON, the figures in the light theme, and the page."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, themes in figures.items():
        (folder / f"{name}.png").write_bytes(themes[LIGHT.name])
    (out / "explore.json").write_text(json.dumps(asdict(findings), indent=2) + "\n", encoding="utf-8")
    (out / "index.html").write_text(render_page(findings, figures), encoding="utf-8")
