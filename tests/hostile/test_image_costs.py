"""Memory and outcome of hostile image files, each decoded in a process of its own with limited memory and CPU time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.image_files import FILES, HostileFile
from tests.hostile.unusual_files import UNUSUAL

MAX_MEGABYTES = 150
"""Limit of the memory of one anonymous request."""

DECODE = """
import resource, sys
from pathlib import Path
from core.errors import ImageError
from core.images.decode import decode_image

data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
try:
    decoded = decode_image(data, height=32, width=32, geometry="crop")
except ImageError as error:
    print(type(error).__name__, error)
else:
    print("decoded", decoded.original_size, *decoded.notes)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
@pytest.mark.parametrize("file", [*FILES, *UNUSUAL], ids=lambda file: file.name)
def test_hostile_image_is_decoded_or_refused_in_bounded_memory(file: HostileFile, tmp_path: Path) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.build())
    run = subprocess.run([sys.executable, "-c", DECODE, str(path)], capture_output=True, text=True, check=True)
    outcome, megabytes = run.stdout.splitlines()
    if file.error is None:
        assert outcome.startswith("decoded")
    else:
        assert outcome.startswith(file.error.__name__)
        assert file.message in outcome
    assert float(megabytes) <= MAX_MEGABYTES


def test_jpeg_without_end_marker_is_named_in_the_notes(tmp_path: Path) -> None:
    from core.images.decode import decode_image

    [file] = [file for file in FILES if file.name == "jpeg_without_end"]
    assert "the JPEG has no end marker" in decode_image(file.build(), height=32, width=32).notes
