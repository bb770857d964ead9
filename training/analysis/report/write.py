"""`duet report`: makes the report on two versions and writes its page, figures and records."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from core.errors import ConfigurationError
from core.files.durable import atomic_replace
from core.records.base import write_report
from core.records.corrupted_holdout import CorruptedHoldout
from core.records.label_free import LabelFree
from core.records.lookup import NAMES, VersionRecord, report_path, versions_of
from core.repository.manifest import sha256_of
from core.repository.repository import MODELS_NAME
from core.strict_model import StrictModel
from training.analysis.mistakes.find import VersionPredictions, compare_versions
from training.analysis.report.collect import collect
from training.analysis.report.drawing import standalone, svg
from training.analysis.report.figures import pictured_figures, plain_figures
from training.analysis.report.findings import Findings
from training.analysis.report.ladder import read_ladder
from training.analysis.report.make import ReportContext, activations_folder, make_missing
from training.analysis.report.render import FIGURES_NAME, findings_page, html, linked_figures, report_page

PAGE_NAME, TEXT_NAME = "index.html", "findings.md"
SOURCES_NAME = "sources.json"
EVIDENCE_NAME = "evidence"
"""Folder in docs/ of the records of versions that do not ship."""


@dataclass(frozen=True)
class Report:
    """A rendered report.

    Attributes:
        text: Markdown of the neutral report.
        figures: SVG of each figure in it, by name.
    """

    findings: Findings
    text: str
    figures: Mapping[str, str]


def make_report(context: ReportContext) -> Report:
    """Measure missing records and render the report; raises as `make_missing` and `collect`.

    Raises:
        ConfigurationError: both versions are the same.
    """
    work = context.work
    one, other = work.references
    if one == other:
        raise ConfigurationError(f"a report compares two versions, but {one} was named twice: name another version")
    first, second = (VersionPredictions.read(model.manifest, model.folder) for model in work.models)
    compare_versions(first, second)  # fail before hours of measurements
    make_missing(context)
    findings = collect(first, second, context.records)
    text = report_page(findings)
    drawing = context.progress.add_task("drawing", total=None)
    draws = plain_figures(findings) | pictured_figures(
        findings, work.models, (first, second), work.images, activations_folder(context), threads=work.threads
    )
    wanted = linked_figures(text)
    figures = {}
    for done, name in enumerate(wanted):
        context.progress.update(drawing, description=f"drawing: {name}", completed=done, total=len(wanted))
        figures[name] = svg(draws[name])
    context.progress.update(drawing, description="drawing: done", completed=len(wanted))
    return Report(findings, text, figures)


def write_page(report: Report, out: Path) -> Path:
    """Write the self-contained page `out`/index.html and return its path.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    path = out / PAGE_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        atomic_replace(path, html(report.text, report.figures).encode())
    except OSError as error:
        raise ConfigurationError(f"cannot write to {out} ({error.strerror}): name another folder with --out") from error
    return path


def write_docs(report: Report, docs: Path) -> Path:
    """Write the findings page to `docs`/findings.md and replace its figures in `docs`/findings.

    The digests of their sources are stored in the same folder, so that a test detects outdated figures.

    Raises:
        ConfigurationError: the folder cannot be written to, or the versions are not an mlp and a cnn.
        DataError: the records contradict a sentence of the page or lack one of its figures; nothing is written.
        RepositoryError: a manifest or an evaluation of the ladder is damaged; nothing is written.
    """
    ladder = read_ladder(docs.parent / MODELS_NAME, docs / EVIDENCE_NAME)
    text = findings_page(replace(report.findings, ladder=ladder))
    path, folder = docs / TEXT_NAME, docs / FIGURES_NAME
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in linked_figures(text):
            (folder / f"{name}.svg").write_text(standalone(report.figures[name]), encoding="utf-8")
        write_report(folder / SOURCES_NAME, sources(report.findings, folder))
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write to {docs} ({error.strerror})") from error
    return path


def write_records(findings: Findings, folder: Path) -> None:
    """Replace the records in `folder` by the records of the findings.

    Records of corrupted holdout images and of label-free accuracy are kept: the findings do not contain them.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    records: list[VersionRecord] = [findings.activations, findings.mistakes]
    for side in findings.sides:
        records += [side.robustness, side.explanations, side.latency]
        records += [side.training_fit] if side.training_fit is not None else []
    for former in folder.glob("*"):
        if former.name not in (NAMES[CorruptedHoldout], NAMES[LabelFree]):
            shutil.rmtree(former)
    for record in records:
        references = [version.reference for version in versions_of(record)]
        write_report(report_path(folder, NAMES[type(record)], *references, quick=findings.quick), record)
    write_report(report_path(folder, "exploration", findings.exploration.name), findings.exploration)
    for tuning in findings.tunings:
        write_report(report_path(folder, "tuning", tuning.name), tuning)
    for study in findings.augmentation:
        write_report(report_path(folder, "augmentation", study.name), study)


class Sources(StrictModel):
    """Digests that show if figures are outdated: from other versions, older records or another run."""

    manifests: dict[str, str]
    """sha256 of the manifest by reference of the version. The manifest has the digests of all files."""
    records: dict[str, str]
    """sha256 of the record by its kind and subject."""
    pictures: dict[str, str]
    """sha256 of the figure by file name."""


def sources(findings: Findings, folder: Path) -> Sources:
    """Compute the digests of the findings and of the SVG files in `folder`."""
    records: dict[str, StrictModel] = {
        "activations": findings.activations,
        "mistakes": findings.mistakes,
        f"exploration of {findings.exploration.name}": findings.exploration,
    }
    for side in findings.sides:
        records[f"robustness of {side.reference}"] = side.robustness
        records[f"explanations of {side.reference}"] = side.explanations
        records[f"latency of {side.reference}"] = side.latency
        if side.training_fit is not None:
            records[f"training fit of {side.reference}"] = side.training_fit
    records |= {f"tuning of {each.name}": each for each in findings.tunings}
    records |= {f"augmentation of {each.name}": each for each in findings.augmentation}
    return Sources(
        manifests={side.reference: _digest(side.manifest) for side in findings.sides},
        records={name: _digest(record) for name, record in sorted(records.items())},
        pictures={path.name: sha256_of(path) for path in sorted(folder.glob("*.svg"))},
    )


def _digest(model: BaseModel) -> str:
    """sha256 of the JSON without default values, so that new optional fields do not change it."""
    return hashlib.sha256(model.model_dump_json(exclude_defaults=True).encode()).hexdigest()
