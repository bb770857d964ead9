"""One minute of fuzzing in `make test-all`; see `tests.hostile.fuzz` for longer runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz import attack, fuzzed_service


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is looked up in /proc")
def test_service_survives_a_minute_of_mutated_requests(home: Path) -> None:
    with fuzzed_service(home) as service:
        assert attack(service, seconds=60, seed=0) > 100
