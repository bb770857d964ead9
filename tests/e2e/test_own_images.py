"""Commands of docs/own-images.md: predict, train on and serve a user's own images."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx
import pytest

from core.repository.repository import ModelRepository
from core.schemas.api import PredictResponse
from core.schemas.datasets import DatasetUpload
from duet.cli import main
from tests.support.labelled_folders import picture
from tests.support.markdown import blocks
from tests.support.service import running_app, service_process, settings_for, until

ROOT = Path(__file__).resolve().parents[2]
KEY = "j" * 16
THIS = "test_page_commands_work_as_documented"
CLASSES = {"brick red": 44, "grass": 42, "night": 45}


def duet(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["duet", *words])
    main()


def colors_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for label, count in CLASSES.items():
            for number in range(count):
                file.writestr(f"colours/{label}/{number}.png", picture(label, number))
        file.writestr("colours/night/broken.png", b"\x89PNG\r\n\x1a\n and no more")
    return archive.getvalue()


@pytest.mark.slow
async def test_uploaded_zip_is_trained_on_and_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "none"))
    async with running_app(settings_for(tmp_path, api_keys=f"jobs:{KEY}"), ready=False) as app:
        headers = {"x-api-key": KEY, "content-type": "application/zip"}
        answer = await app.client.post("/datasets/colours", content=colors_zip(), headers=headers)
        upload = DatasetUpload.model_validate_json(answer.content)
        assert (upload.added, upload.skipped, upload.dataset.shortfalls) == (131, 1, ())

        words = ["mlp_baseline", "--data", "folder:colours", "--family", "colours", "--image-size", "20"]
        small = ["--set", "epochs=12", "--set", "network.hidden=[24]", "--set", "batch_size=8", "--threads", "1"]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(duet, monkeypatch, "train", *words, *small)
        assert not ended.value.code
        assert "colours@1 is now the champion" in capsys.readouterr().out
        manifest = ModelRepository.open().verify("colours", 1)
        assert (manifest.input.height, manifest.class_names) == (20, tuple(sorted(CLASSES)))

        await until(app.is_ready)
        for label in CLASSES:
            content = picture(label, 1_000, mode="RGBA")
            sent = await app.client.post(
                "/predict",
                params={"model": "colours", "top_k": 9},
                content=content,
                headers={"content-type": "image/png"},
            )
            [prediction] = PredictResponse.model_validate_json(sent.content).predictions
            assert prediction.label == label
            assert {entry.label for entry in prediction.top} == set(CLASSES)
            assert prediction.notes


@pytest.mark.full
def test_page_commands_work_as_documented(tmp_path: Path) -> None:
    [commands] = [block.text for block in blocks(ROOT / "docs" / "own-images.md") if THIS in block.said]
    (tmp_path / "colours.zip").write_bytes(colors_zip())
    (tmp_path / "new.png").write_bytes(picture("grass", 1_000))
    home = tmp_path / "home"
    with service_process(home, DUET_SHIPPED_MODELS=str(ROOT / "models")) as service:
        # A champion is looked up every half second; the page's reader is slower than that.
        upload, train, predict = commands.replace("http://127.0.0.1:8000", service.url).replace("\\\n", "").splitlines()
        environment = os.environ | {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(ROOT / "models")}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

        def run(command: str) -> str:
            return subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=tmp_path, env=environment, timeout=200, check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip

        assert DatasetUpload.model_validate_json(run(upload)).added == sum(CLASSES.values())
        assert "colours@1 is now the champion" in run(train)
        with httpx.Client(base_url=service.url) as client:
            while client.get("/models/colours").status_code != 200 or not is_served(client):
                time.sleep(0.05)
        [prediction] = PredictResponse.model_validate_json(run(predict)).predictions
        assert (prediction.model, prediction.label) == ("colours", "grass")


def is_served(client: httpx.Client) -> bool:
    return any(model["model"] == "colours" and model["served"] == 1 for model in client.get("/readyz").json()["models"])
