"""Fake disks with little free space."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest


def let_disks_have(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Fake the free space of all disks, in bytes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
