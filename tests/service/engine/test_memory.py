"""Return of freed memory to the operating system."""

from __future__ import annotations

import asyncio
import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine import memory

CHURN = """
import sys
from pathlib import Path
from service.engine.memory import limit_free_memory

def resident_mb():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "limited":
    limit_free_memory()
before, pins = resident_mb(), []
for _ in range(3):
    blocks = []
    for _ in range(40):
        blocks.append(bytearray(3_000_000))
        pins.append(bytearray(100_000))
    del blocks
print(resident_mb() - before - sum(map(len, pins)) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is looked up in /proc")
def test_freed_blocks_are_returned_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", CHURN, "limited"], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 15


async def test_idle_process_returns_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    returned, work = asyncio.Event(), [0.0]
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(memory, "_CHECK_SECONDS", 0.001)
    monkeypatch.setattr("time.process_time", lambda: work[0])
    monkeypatch.setattr(memory, "return_free_memory", lambda: loop.call_soon_threadsafe(returned.set))
    running = asyncio.create_task(memory.return_memory_regularly())
    await asyncio.sleep(0.02)
    assert not returned.is_set()
    work[0] = 1.5
    await returned.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.skipif(sys.platform != "linux", reason="the pages of a mapping are counted in /proc")
def test_pages_of_mapped_weights_are_returned_and_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(bytes(range(256)) * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == 0
        assert resident_kib(path) == 1024
        memory.return_free_memory()
        assert resident_kib(path) == 0
        assert mapped[255] == 255


def resident_kib(path: Path) -> int:
    """Return the KiB of a mapped file that are in memory."""
    lines = Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    return int(next(line for line in lines[start:] if line.startswith("Rss:")).split()[1])
