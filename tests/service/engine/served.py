"""Served versions of a running app, and damage to their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.onnx_models import gray_png
from tests.support.service import RunningApp, until

RAW = {"content-type": "image/png"}


async def predicted(running: RunningApp, query: str = "") -> dict[str, Any]:
    """Prediction of a gray image."""
    answer = await running.client.post(f"/predict{query}", content=gray_png(0), headers=RAW)
    assert answer.status_code == 200, answer.text
    prediction: dict[str, Any] = answer.json()["predictions"][0]
    return prediction


async def readiness(running: RunningApp) -> dict[str, Any]:
    """Readiness of each family."""
    return {one["model"]: one for one in (await running.client.get("/readyz")).json()["models"]}


async def until_served(running: RunningApp, model: str, version: int) -> None:
    """Wait until a version of the family serves."""

    async def served() -> bool:
        return bool((await readiness(running))[model]["served"] == version)

    await until(served)


async def until_reason(running: RunningApp, model: str, part: str) -> None:
    """Wait until the reason of the family contains `part`."""

    async def told() -> bool:
        return part in ((await readiness(running))[model]["reason"] or "")

    await until(told)


def change_a_byte(path: Path) -> None:
    """Invert a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
