from __future__ import annotations

import hashlib

import pytest

from core.repository.manifest import read_manifest
from core.schemas.models import VersionCheck
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

CARD = "# cnn@2\n\n<script>alert(1)</script> \u00e9\n"


@pytest.fixture
def version(running: RunningApp) -> str:
    models = running.state["repository"].home_models
    files = {"README.md": CARD.encode(), "figures/history.png": gray_png(3)}
    write_onnx_version(models / "cnn" / "2", "cnn", 2, extra_files=files)
    return "/models/cnn/versions/2"


async def test_model_card_is_returned_unchanged(running: RunningApp, version: str) -> None:
    answer = await running.client.get(f"{version}/card")
    assert (answer.status_code, answer.text) == (200, CARD)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"


async def test_figure_is_returned_as_an_image(running: RunningApp, version: str) -> None:
    answer = await running.client.get(f"{version}/figures/history.png")
    assert (answer.status_code, answer.content) == (200, gray_png(3))
    assert answer.headers["content-type"] == "image/png"


async def test_file_outside_the_manifest_is_404(running: RunningApp, version: str) -> None:
    (running.state["repository"].home_models / "cnn" / "2" / "figures" / "secret.png").write_bytes(b"secret")
    for name in ("secret.png", "confusion.png"):
        assert (
            name in assert_problem(await running.client.get(f"{version}/figures/{name}"), 404, "no-such-file")["detail"]
        )
    for name in ("..%2FREADME.md", "history.PNG", "history.svg"):
        assert (await running.client.get(f"{version}/figures/{name}")).status_code in (404, 422)
    assert_problem(await running.client.get("/models/cnn/versions/9/card"), 404, "unknown-version")


async def test_download_returns_a_file_of_the_manifest(running: RunningApp, version: str) -> None:
    folder = running.state["repository"].home_models / "cnn" / "2"
    answer = await running.client.get(f"{version}/files/model.onnx")
    assert (answer.status_code, answer.content) == (200, (folder / "model.onnx").read_bytes())
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="model.onnx"'
    (folder / "secret.txt").write_bytes(b"secret")
    for name in ("secret.txt", "manifest.json", "other.onnx"):
        assert_problem(await running.client.get(f"{version}/files/{name}"), 404, "no-such-file")
    for name in ("..%2Fmodel.onnx", "figures%2Fhistory.png"):
        assert (await running.client.get(f"{version}/files/{name}")).status_code in (404, 422)
    (folder / "model.onnx").write_bytes(b"")
    assert_problem(await running.client.get(f"{version}/files/model.onnx"), 409, "version-refused")


async def test_changed_file_is_refused(running: RunningApp, version: str) -> None:
    card = running.state["repository"].home_models / "cnn" / "2" / "README.md"
    card.write_text(CARD.replace("cnn@2", "cnn@3"))
    assert (
        "README.md: sha256"
        in assert_problem(await running.client.get(f"{version}/card"), 409, "version-refused")["detail"]
    )
    assert (await running.client.get(f"{version}/figures/history.png")).status_code == 200


async def test_every_download_is_verified(running: RunningApp, version: str) -> None:
    folder = running.state["repository"].home_models / "cnn" / "2"
    check = VersionCheck.model_validate_json((await running.client.get(f"{version}/check")).content)
    assert check.intact
    assert [file.name for file in check.files] == sorted(read_manifest(folder).files)
    (card,) = [file for file in check.files if file.name == "README.md"]
    assert (card.sha256, card.bytes) == (hashlib.sha256(CARD.encode()).hexdigest(), len(CARD.encode()))

    (folder / "model.onnx").write_bytes(b"")
    (folder / "predictions.npz").unlink()
    check = VersionCheck.model_validate_json((await running.client.get(f"{version}/check")).content)
    assert not check.intact
    problems = {file.name: file.problem for file in check.files if file.problem}
    assert set(problems) == {"model.onnx", "predictions.npz"}
    assert problems["predictions.npz"] == "missing"
