"""What docs/api.md tells a reader to run is run, against the models that ship with the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.markdown import blocks
from tests.support.service import service_process

ROOT = Path(__file__).resolve().parents[2]
[EXAMPLE] = [block.text for block in blocks(ROOT / "docs" / "api.md") if block.language == "python"]


@pytest.mark.slow
def test_the_example_sees_a_cat(tmp_path: Path) -> None:
    with service_process(tmp_path, DUET_SHIPPED_MODELS=str(ROOT / "models")) as service:
        host, port = service.address
        program = EXAMPLE.replace("127.0.0.1:8000", f"{host}:{port}")
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 0, ended.stderr
    label, *ranked = ended.stdout.splitlines()
    assert label.startswith("[b'cat'] 0.")
    assert ":3:cat" in ranked[0]
