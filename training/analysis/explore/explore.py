"""`duet explore`: statistics and figures of a data set, written to a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import Progress

from core.errors import ConfigurationError
from core.records.studies import Channel, ClassLook, Exploration
from training.analysis.explore.duplicates import Duplicates, find_duplicates
from training.analysis.explore.figures import CLASSES, gallery
from training.analysis.explore.statistics import Statistics, describe
from training.data.splits import Split
from training.data.types import ImageDataset
from training.plots.style import DARK, LIGHT, png
from training.plots.templates import template_environment


@dataclass(frozen=True)
class Findings:
    """Contents of explore.json.

    Attributes:
        licence: terms of use and provenance.
        digest: sha256 of the data set, `ImageDataset.digest`.
        split_digest: sha256 of the split of its training images, `Split.digest`.
    """

    schema_version: int
    name: str
    class_names: tuple[str, ...]
    licence: str
    digest: str
    split_digest: str
    statistics: Statistics
    duplicates: Duplicates


def explore(dataset: ImageDataset, split: Split, out: Path, progress: Progress) -> Findings:
    """Write explore.json, figures/*.png and index.html into the folder `out`. The folder is created if missing.

    Raises:
        ConfigurationError: `out` is not writable.
    """
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        findings = find(dataset, split, progress)
        write(findings, draw(dataset, split, findings, progress), out)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {out} ({error.strerror}): name another folder with --out") from error
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
    """Write the findings as JSON, the figures in the light theme, and the page; the folder `out`/figures must exist."""
    for name, themes in figures.items():
        (out / "figures" / f"{name}.png").write_bytes(themes[LIGHT.name])
    (out / "explore.json").write_text(json.dumps(asdict(findings), indent=2) + "\n", encoding="utf-8")
    (out / "index.html").write_text(render_page(findings, figures), encoding="utf-8")


def render_page(findings: Findings, figures: Mapping[str, Mapping[str, bytes]]) -> str:
    """Render the page.

    Args:
        findings: contents of the tables.
        figures: PNG files by figure name and theme name.
    """
    environment = template_environment(Path(__file__).parent)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share: f"{share:.2%}".replace("%", " %")
    inlined = {name: {theme: _data_uri(png) for theme, png in themes.items()} for name, themes in figures.items()}
    return environment.get_template("page.html").render(
        findings=findings,
        statistics=findings.statistics,
        duplicates=findings.duplicates,
        figures=inlined,
        classes_shown=CLASSES,
        light=LIGHT,
        dark=DARK,
    )


def exploration_record(found: Findings) -> Exploration:
    """Select the values that the report uses."""
    statistics, duplicates = found.statistics, found.duplicates
    training = [
        sum(statistics.class_counts[part][label] for part in ("train", "validation", "holdout"))
        for label in found.class_names
    ]
    values = statistics.values["training"]
    return Exploration(
        name=found.name,
        digest=found.digest,
        split_digest=found.split_digest,
        height=statistics.height,
        width=statistics.width,
        images=statistics.images,
        smallest_class=min(training),
        largest_class=max(training),
        channels=tuple(
            Channel(name=name, mean=mean, std=std)
            for name, mean, std in zip(("red", "green", "blue"), values.mean, values.std, strict=True)
        ),
        brightness=statistics.brightness.overall.median,
        contrast=statistics.contrast.overall.median,
        looks=tuple(
            ClassLook(
                label=label,
                brightness=statistics.brightness.by_class[label].median,
                contrast=statistics.contrast.by_class[label].median,
            )
            for label in found.class_names
            if label in statistics.brightness.by_class
        ),
        exact_test_images=duplicates.exact_test_images,
        near_test_images=duplicates.near_test_images,
        near_conflicts=duplicates.near_conflicts,
        holdout_images=duplicates.holdout_images,
        near_test_positions=tuple(sorted({pair.test_position for pair in duplicates.near})),
    )


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
