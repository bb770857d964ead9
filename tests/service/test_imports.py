"""Imports of the service: no training dependencies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.onnx_models import gray_png

pytestmark = pytest.mark.slow
BLOCKED = ("torch", "torchvision", "training", "onnx", "onnxscript", "sklearn", "matplotlib", "captum", "pandas")
SERVES_WITHOUT = """
import asyncio, sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} must not be imported by the service")

sys.meta_path.insert(0, Blocked())

import service.server.main
from service.app import create_app
from service.settings import Settings
from duet import Client

async def main():
    app = create_app(Settings(home={home!r}, shipped_models={home!r} + "/none"))
    import httpx
    async with app.router.lifespan_context(app) as state:
        async def with_state(scope, receive, send):
            await app({{**scope, "state": dict(state)}}, receive, send)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://localhost") as client:
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
            with open({image!r}, "rb") as image:
                answers = [await client.post("/predict", files={{"file": image}})]
            answers += [await client.get("/metrics/compare"), await client.get("/openapi.json")]
            print([answer.status_code for answer in answers])

asyncio.run(main())
"""


def test_service_runs_without_torch_and_training(home: Path) -> None:
    image = home / "a.png"
    image.write_bytes(gray_png(0))
    program = SERVES_WITHOUT.format(blocked=BLOCKED, home=str(home), image=str(image))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ended.stdout.strip() == "[200, 200, 200]", ended.stderr


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import duet.cli", ("fastapi", "uvicorn", "onnxruntime", "torch", "service")),
        ("import core.schemas.api", ("fastapi", "uvicorn", "onnxruntime", "torch", "service")),
        ("from duet import Client", ("fastapi", "starlette", "uvicorn", "onnxruntime", "service")),
        # Importing Celery would take a tenth of the time to the first response.
        ("import service.server.main", ("celery", "kombu")),
    ],
)
def test_import_does_not_load_heavy_modules(statement: str, heavy: tuple[str, ...]) -> None:
    program = f"import sys; {statement}; print([name for name in {heavy!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "[]"
