"""The pages of the studies that are kept are what the program makes of their results."""

from pathlib import Path

import pytest

from training.studies.augmentation import RESULTS_NAME, read_study
from training.studies.augmentation_report import PAGE_NAME, write_report

STUDIES = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("results", sorted(STUDIES.glob(f"*/{RESULTS_NAME}")), ids=lambda path: path.parent.name)
def test_a_study_s_page_is_that_of_its_results(results: Path, tmp_path: Path) -> None:
    page = write_report(tmp_path, read_study(results.parent))
    assert page.read_text() == (results.parent / PAGE_NAME).read_text()
