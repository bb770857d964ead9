"""Generated documentation: every file is up to date with the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import ROOT
from docs.generate.__main__ import generated_files

NAMES = [
    "README.md",
    "openapi.json",
    "docs/settings.md",
    "docs/metrics.md",
    "deploy/grafana/duet.json",
    "deploy/kubernetes/monitoring/rules.yaml",
]


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    return generated_files()


@pytest.mark.parametrize("name", NAMES)
def test_generated_file_is_up_to_date(generated: dict[Path, str], name: str) -> None:
    # No `==` in the assertion: pytest takes minutes to diff files of this length.
    is_current = (ROOT / name).read_text(encoding="utf-8") == generated[ROOT / name]
    assert is_current, f"{name} is out of date: run python -m docs.generate"


def test_all_generated_files_are_checked(generated: dict[Path, str]) -> None:
    assert {str(path.relative_to(ROOT)) for path in generated} == set(NAMES)


def test_settings_and_metrics_have_descriptions(generated: dict[Path, str]) -> None:
    assert "| `DUET_PORT` | 8000 | Port to listen on; 0 selects a free port" in generated[ROOT / "docs" / "settings.md"]
    metrics = generated[ROOT / "docs" / "metrics.md"]
    assert "| `duet_http_requests_total` | counter | `method`, `route`, `status` | Finished requests |" in metrics
    assert "| `duet_batch_images` | histogram | `model`, `version`, `precision` | Images in one model run |" in metrics
    assert "`process_resident_memory_bytes` | gauge |  |" in metrics
