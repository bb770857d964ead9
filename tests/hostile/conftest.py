"""Fixtures of the hostile tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.service import write_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose champions are cnn@1 and its opposite mlp@1."""
    write_home(tmp_path)
    return tmp_path
