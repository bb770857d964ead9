"""Contract test: runs the generated requests of contract_requests.py in a process of its own.

schemathesis generates its requests while pytest collects the tests, which takes seconds of processor time. Each process
of pytest-xdist would do so, and those of `make check` too, which send none of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "test",
    [
        pytest.param("test_generated_request_matches_the_openapi_document", marks=pytest.mark.slow),
        pytest.param("test_responses_match_the_openapi_document", marks=pytest.mark.full),
    ],
)
def test_generated_requests_match_the_openapi_document(test: str) -> None:
    # By its name, because with a marker pytest generates the requests of both tests.
    requests = f"{Path(__file__).with_name('contract_requests.py')}::{test}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", requests],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
