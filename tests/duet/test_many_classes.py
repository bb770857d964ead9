"""A folder of 300 classes of three images: trained twice, and answers, records and cards stay small and readable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.duet_command import Duet
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.training_runs import let_int8_fail, small_recipe, train_version
from training.data.load import load_images

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("exported_once")]
CLASSES = 300
RAW = {"content-type": "image/png"}


def write_folder(home: Path) -> Path:
    """Three blurred pictures of random colors for each class; returns one of them."""
    generator = np.random.default_rng(0)
    for number in range(CLASSES):
        folder = home / "datasets" / "many" / f"class {number:03}"
        folder.mkdir(parents=True)
        for image in range(3):
            blocks_HWC = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(blocks_HWC).resize((16, 16)).save(folder / f"{image}.png")
    return home / "datasets" / "many" / "class 000" / "0.png"


@pytest.fixture
def picture(home: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Two versions of the family many, and the content of one of its images."""
    path = write_folder(home)
    let_int8_fail(monkeypatch)
    images = load_images("folder:many", image_size=16)
    parts = [len(getattr(images.split, name)) for name in ("train", "validation", "holdout")]
    assert (parts, len(images.dataset.test)) == ([CLASSES, CLASSES // 2, CLASSES], CLASSES // 2)
    for number in (1, 2):
        manifest = train_version(
            small_recipe("mlp", epochs=number), images, ModelRepository.open(), "many", home / f"run-{number}"
        )
        assert manifest.class_names == tuple(f"class {each:03}" for each in range(CLASSES))
    return path.read_bytes()


async def answer(running: RunningApp, method: str, path: str, at_most: int, content: bytes | None = None) -> bytes:
    """Body of the response, which has status 200 and at most so many bytes."""
    found = await running.client.request(method, path, content=content, headers=RAW if content else {})
    assert found.status_code == 200, found.text[:300]
    assert len(found.content) <= at_most, path
    return bytes(found.content)


async def test_answers_of_300_classes_are_bounded(
    duet: Duet, home: Path, picture: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = ModelRepository.open()
    manifest: Manifest = repository.verify("many", 2)
    card = (repository.folder("many", 2) / "README.md").read_text(encoding="utf-8")
    assert "**Warning**: 150 of 300 classes have no test image" in card
    assert "The 100 of 150 classes with the lowest F1; `evaluation.json` has all." in card
    assert "![most frequent confusions](figures/confusion.png)" in card
    assert len(card) < 20_000
    assert manifest.files["evaluation.json"].bytes < 300_000

    assert duet("models", "promote", "many@1", "--reason", "test", "--force") == 0
    assert duet("models", "compare", "many@1", "many@2") == 0
    assert duet("evaluate", "many@2", "--data", "folder:many") == 0
    said = capsys.readouterr().out
    assert "the 100 of 300 classes with the lowest F1" in said
    assert "many@2 reproduces its evaluation.json" in said

    async with running_app(settings_for(home)) as running:
        predicted = await answer(running, "POST", "/predict?model=many", 10_000, picture)
        assert b'"class 0' in predicted
        await answer(running, "POST", "/predict?model=many&top_k=1000", 40_000, picture)
        await answer(running, "POST", "/compare?models=many@1,many@2", 20_000, picture)
        await answer(running, "POST", "/saliency?model=many", 50_000, picture)
        await answer(running, "GET", "/models/many/versions/2", 30_000)
        await answer(running, "GET", "/ui/models/many/versions/2/card", 30_000)
        await answer(running, "GET", "/models/many/versions/2/evaluations", 300_000)
        figure = await answer(running, "GET", "/models/many/versions/2/figures/confusion.png", 300_000)
        assert figure.startswith(b"\x89PNG")
        await answer(running, "GET", "/models/many/versions/2/gate", 60_000)
        compared = await answer(running, "GET", "/metrics/compare?first=many@1&second=many@2", 300_000)
        assert b'"confusion_matrix":[]' in compared
        assert b'"confusion_rates":[]' in compared
        await answer(running, "GET", "/datasets/many", 15_000)
        # Metrics have no label with a class.
        assert b"class 0" not in await answer(running, "GET", "/metrics", 100_000)
