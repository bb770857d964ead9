from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.duet_command import Duet, duet_command


@pytest.fixture(scope="session")
def exported_once() -> Iterator[None]:
    """Export the graphs of equal networks once."""
    from tests.support import exports  # it needs torch, which is not installed where only the client is tested

    with exports.exported_once():
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DUET_HOME, which does not exist yet; no versions are shipped."""
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def duet(home: Path, monkeypatch: pytest.MonkeyPatch) -> Duet:
    """The command line with an empty home; returns the exit status."""
    return duet_command(monkeypatch)
