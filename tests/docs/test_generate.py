"""The files that are made from the code say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import ROOT
from docs.generate.files import made_files

NAMES = ["README.md", "openapi.json", "docs/settings.md", "docs/metrics.md"]


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return made_files()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_the_code_makes_it(made: dict[Path, str], name: str) -> None:
    # Not `==` in the assertion: a difference of files this long takes minutes to be shown.
    is_current = (ROOT / name).read_text(encoding="utf-8") == made[ROOT / name]
    assert is_current, f"{name} is out of date: run python -m docs.generate"


def test_every_file_is_looked_at(made: dict[Path, str]) -> None:
    assert {str(path.relative_to(ROOT)) for path in made} == set(NAMES)


def test_settings_and_metrics_are_told_with_what_they_are(made: dict[Path, str]) -> None:
    assert "| `DUET_PORT` | 8000 | Port to listen on; 0 selects a free port" in made[ROOT / "docs" / "settings.md"]
    metrics = made[ROOT / "docs" / "metrics.md"]
    assert "| `duet_http_requests_total` | counter | `method`, `route`, `status` | Finished requests |" in metrics
    assert "| `duet_batch_images` | histogram | `model`, `version`, `precision` | Images in one model run |" in metrics
    assert "`process_resident_memory_bytes` | gauge |  |" in metrics
