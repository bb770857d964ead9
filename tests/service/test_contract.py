"""Contract test: runs the generated requests of contract_requests.py in a process of its own.

schemathesis generates its requests while pytest collects the tests, which takes 12 s of processor time. Each process of
pytest-xdist would do so, and those of `make check` too, which send none of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "tier", [pytest.param("slow", marks=pytest.mark.slow), pytest.param("full", marks=pytest.mark.full)]
)
def test_generated_requests_match_the_openapi_document(tier: str) -> None:
    requests = Path(__file__).with_name("contract_requests.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-m", tier, str(requests)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
