"""Disks that are nearly full."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest


def let_disks_have(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Have so many bytes free, wherever it is asked."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
