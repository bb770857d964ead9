from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.repository.alias_files import read_aliases
from core.repository.repository import ModelRepository
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.report.collect import RecordStore, collect
from training.analysis.report.findings import Findings
from training.analysis.report.ladder import read_ladder
from training.analysis.report.write import EVIDENCE_NAME

ROOT = Path(__file__).resolve().parents[4]


def shipped_findings() -> Findings:
    """Findings of docs/findings.md: the shipped champions and their records."""
    models = ROOT / "models"
    repository = ModelRepository(home_models=ROOT / "no-models", shipped=models)
    champions = read_aliases(models).champions
    first, second = (
        VersionPredictions.read(
            repository.manifest(family, champions[family]), repository.folder(family, champions[family])
        )
        for family in ("mlp", "cnn")
    )
    reports = models / "reports"
    quick = not list((reports / "mistakes").glob("*[0-9].json"))
    ladder = read_ladder(models, ROOT / "docs" / EVIDENCE_NAME)
    return dataclasses.replace(collect(first, second, RecordStore([reports], quick)), ladder=ladder)


@pytest.fixture(scope="package")
def shipped() -> Findings:
    return shipped_findings()
