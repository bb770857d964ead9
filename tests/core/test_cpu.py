import os
from pathlib import Path

import pytest

from core.cpu import available_cores


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("9900000 100000", 8), ("", 8)],
)
def test_version_2_quota_caps_the_affinity(cgroup: Path, content: str, cores: int) -> None:
    (cgroup / "cpu.max").write_text(content)
    assert available_cores(cgroup) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3), ("0", 8)])
def test_version_1_quota_caps_the_affinity(cgroup: Path, quota: str, cores: int) -> None:
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (cgroup / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_cores(cgroup) == cores


def test_cores_without_cgroups_uses_the_affinity(cgroup: Path) -> None:
    assert available_cores(cgroup) == 8
