"""Messages of libtiff about damaged files."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Decodes damaged files of the same picture, whose errors and warnings are not of interest here.
DAMAGE = """
import io, random, warnings
from contextlib import suppress
from PIL import Image
from core.images.libtiff import silence_libtiff

warnings.simplefilter("ignore")
if {silent}:
    silence_libtiff()
file = io.BytesIO()
Image.new("RGB", (8, 8)).save(file, "TIFF", compression="tiff_lzw")
for seed in range(40):
    chosen, damaged = random.Random(seed), bytearray(file.getvalue())
    for _ in range(3):
        damaged[chosen.randrange(len(damaged))] = chosen.randrange(256)
    with suppress(Exception):
        Image.open(io.BytesIO(bytes(damaged))).load()
"""


@pytest.mark.parametrize("silent", [False, True])
def test_damaged_tiff_prints_no_libtiff_message(silent: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE.format(silent=silent)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ("TIFF" in done.stderr) != silent, done.stderr
