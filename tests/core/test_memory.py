from pathlib import Path

import pytest

from core import memory
from core.errors import LowMemoryError
from core.memory import available_memory, require_memory

GIB = 2**30


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text(f"MemTotal: {64 * 2**20} kB\nMemFree: 1 kB\nMemAvailable:  {16 * 2**20} kB\n")
    return path


def test_memory_of_the_machine_without_a_limit(tmp_path: Path, meminfo: Path) -> None:
    assert available_memory(tmp_path / "no cgroup", meminfo) == 16 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert available_memory(tmp_path, meminfo) == 16 * GIB


@pytest.mark.parametrize(
    ("folder", "limit", "usage", "cached"),
    [
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_limit_of_the_cgroup_applies(
    tmp_path: Path, meminfo: Path, folder: str, limit: str, usage: str, cached: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / limit).write_text(f"{4 * GIB}\n")
    (tmp_path / folder / usage).write_text(f"{3 * GIB}\n")
    (tmp_path / folder / "memory.stat").write_text(f"anon 7\n{cached} {GIB // 2}\n")
    assert available_memory(tmp_path, meminfo) == GIB + GIB // 2
    (tmp_path / folder / usage).write_text(f"{9 * GIB}\n")
    assert available_memory(tmp_path, meminfo) == 0


def test_unknown_memory_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_memory(tmp_path, tmp_path / "no meminfo") is None
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    require_memory(2**60, what="a job", advice="none")


def test_too_little_memory_names_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000_000)
    require_memory(2_000_000_000, what="a job", advice="none")
    with pytest.raises(LowMemoryError, match=r"a job needs at least 2\.5 GB of memory, but 2\.0 GB are .*: rest"):
        require_memory(2_500_000_000, what="a job", advice="rest")
