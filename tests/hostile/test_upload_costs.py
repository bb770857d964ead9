"""CPU time, memory and outcome of hostile archives, each uploaded in a process of its own with limited resources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.archives import ARCHIVES, HostileArchive

MAX_MEGABYTES = 300

UPLOAD = """
import asyncio, resource, sys, time
from pathlib import Path
from core.errors import DuetError
from service.datasets.files import limits_of
from service.datasets.quota import Owner
from service.datasets.uploads import DatasetUploader
from service.settings import Settings

home, content = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()

async def receive():
    return {"type": "http.request", "body": content, "more_body": False}

async def upload():
    uploader = DatasetUploader(home, limits_of(Settings(home=home, job_free_mib=0)), max_uploads=1)
    owner = Owner("a", None)
    await uploader.add("a", None, "application/zip", len(content), receive, started=time.perf_counter(), owner=owner)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
try:
    asyncio.run(upload())
except DuetError as error:
    print(type(error).__name__, error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
@pytest.mark.parametrize(
    "archive",
    [
        # Decoding 200 large images takes 25 s.
        pytest.param(each, id=each.name, marks=[pytest.mark.full] if each.name == "200_flat_webps" else [])
        for each in ARCHIVES
    ],
)
def test_hostile_archive_is_refused_at_bounded_cost(archive: HostileArchive, tmp_path: Path) -> None:
    path = tmp_path / archive.name
    path.write_bytes(archive.build())
    home = tmp_path / "home"
    run = subprocess.run(
        [sys.executable, "-c", UPLOAD, str(home), str(path)], capture_output=True, text=True, check=True
    )
    outcome, megabytes = run.stdout.splitlines()
    assert outcome.startswith(archive.error.__name__)
    assert archive.message in outcome
    assert float(megabytes) <= MAX_MEGABYTES
    assert [folder.name for folder in (home / "datasets").iterdir() if not folder.name.startswith(".")] == []
