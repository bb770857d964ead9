"""The pages of the studies that are kept are what the program makes of their results."""

import gzip
from pathlib import Path

import pytest

from training.tuning.ablation.augmentation import read_study
from training.tuning.ablation.augmentation_report import PAGE_NAME, write_report
from training.tuning.ablation.runner import RESULTS_NAME
from training.tuning.journal import journal_path
from training.tuning.report import JOURNAL_NAME
from training.tuning.report import write_report as write_tuning_report

STUDIES = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("results", sorted(STUDIES.glob(f"*/{RESULTS_NAME}")), ids=lambda path: path.parent.name)
def test_study_page_matches_its_results(results: Path, tmp_path: Path) -> None:
    page = write_report(tmp_path, read_study(results.parent))
    assert page.read_text() == (results.parent / PAGE_NAME).read_text()


@pytest.mark.parametrize("journal", sorted(STUDIES.glob(f"*/{JOURNAL_NAME}")), ids=lambda path: path.parent.name)
@pytest.mark.slow
def test_tuning_page_matches_its_journal(journal: Path, tmp_path: Path) -> None:
    name = journal.parent.name
    path = journal_path(tmp_path, name)
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.decompress(journal.read_bytes()))
    page = write_tuning_report(tmp_path, name, tmp_path / "out")
    assert page.read_text() == (journal.parent / PAGE_NAME).read_text()


def test_every_kept_study_has_its_sources() -> None:
    for page in STUDIES.glob(f"*/{PAGE_NAME}"):
        assert (page.with_name(RESULTS_NAME)).exists() != (page.with_name(JOURNAL_NAME)).exists()
    assert len(list(STUDIES.glob(f"*/{PAGE_NAME}"))) == len(list(STUDIES.iterdir())) == 4
