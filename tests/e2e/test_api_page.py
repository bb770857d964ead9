"""What docs/api.md tells a reader to run is run, against the models that ship with the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.markdown import blocks
from tests.support.service import service_process

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = blocks(ROOT / "docs" / "api.md")
[EXAMPLE] = [block.text for block in BLOCKS if block.language == "python"]
COMMANDS = [block.text for block in BLOCKS if block.language == "bash"]


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


@pytest.mark.slow
def test_the_commands_write_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    with service_process(tmp_path / "home", DUET_SHIPPED_MODELS=str(ROOT / "models")) as service:
        for command in COMMANDS:
            text = command.replace("http://127.0.0.1:8000", service.url)
            subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, timeout=60, check=True)
    sizes = {}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            image.load()
            sizes[path.name] = image.size
    # 32x32 enlarged to 256x256, and 8 between two
    assert sizes == {"saliency.png": (784, 256), "dog.png": (256, 256), "compared.png": (784, 520)}
    map_HW = np.load(tmp_path / "map.npy")
    assert (map_HW.shape, map_HW.dtype) == ((32, 32), np.float32)
    compared = json.loads((tmp_path / "compared.json").read_text())
    assert [one["model"] for one in compared["saliency"]] == ["mlp", "cnn"]
