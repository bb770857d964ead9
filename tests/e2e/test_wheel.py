"""Built wheel in an empty environment: the client first, then the service."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.markdown import ROOT

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
CAT = ROOT / "docs" / "images" / "cat.jpg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    [wheel] = folder.glob("duet_vision-*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and its base dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install(folder, str(wheel))
    return folder


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=inherited())


def install(environment: Path, wheel: str) -> None:
    pip("--python", environment / "bin" / "python", "install", "--constraint", ROOT / "constraints.txt", wheel)


def inherited() -> dict[str, str]:
    """The environment variables of a terminal, without Duet's settings and this interpreter's paths."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DUET_", "PYTHON"))}


def settings(home: Path, **changes: str) -> dict[str, str]:
    return inherited() | {"DUET_HOME": str(home), "DUET_EMBEDDED_BROKER": "0"} | changes


def duet(environment: Path, home: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment / "bin" / "duet"), *words]
    return subprocess.run(command, cwd=home, env=settings(home, **changes), capture_output=True, text=True, timeout=120)


def test_wheel_without_extras_has_cli_and_client(environment: Path, tmp_path: Path) -> None:
    assert "serve" in duet(environment, tmp_path, "--help").stdout
    assert "set DUET_SHIPPED_MODELS" in duet(environment, tmp_path, "models", "list").stdout
    listed = duet(environment, tmp_path, "models", "list", DUET_SHIPPED_MODELS=str(ROOT / "models"))
    assert "cnn@4" in listed.stdout, listed.stderr
    refused = duet(environment, tmp_path, "serve")
    assert refused.returncode == 1
    assert "pip install -e '.[serve]'" in refused.stderr
    program = "import duet, numpy; duet.Client('http://127.0.0.1:9').close()"
    subprocess.run(
        [environment / "bin" / "python", "-c", program], cwd=tmp_path, env=settings(tmp_path), check=True, timeout=60
    )


def test_wheel_with_serve_serves_models_or_says_how_to_get_them(environment: Path, wheel: Path, tmp_path: Path) -> None:
    install(environment, f"{wheel}[serve]")
    assert served(environment, tmp_path / "empty") == (
        None,
        f"No model to serve yet: no model versions found in {site_packages(environment) / 'models'} or "
        f"{tmp_path / 'empty' / 'models'}: set DUET_SHIPPED_MODELS to the folder `models` of a checkout of Duet, or "
        "train a version with `duet train`",
    )
    assert served(environment, tmp_path / "home", DUET_SHIPPED_MODELS=str(ROOT / "models"))[0] == "cat"


def served(environment: Path, home: Path, **changes: str) -> tuple[str | None, str]:
    """Start the service; what it says the cat is, if it has models, and the second line that it prints."""
    home.mkdir()
    command = [str(environment / "bin" / "duet"), "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=home, env=settings(home, **changes), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            printed = [process.stdout.readline().strip() for _ in range(2)]
            found = re.search(r"http://\S+", printed[0])
            assert found is not None, printed
            return label(found[0]) if "DUET_SHIPPED_MODELS" in changes else None, printed[1]
        finally:
            process.send_signal(signal.SIGTERM)


def label(url: str) -> str:
    """Return the prediction for the cat image, after the models are loaded."""
    with httpx.Client(base_url=url, timeout=60) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        answer = client.post("/predict", content=CAT.read_bytes(), headers={"Content-Type": "image/jpeg"})
        said: str = answer.json()["predictions"][0]["label"]
        return said


def site_packages(environment: Path) -> Path:
    [folder] = environment.glob("lib/python*/site-packages")
    return folder
