from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image
from rich.progress import Progress

from core.errors import ConfigurationError
from tests.training.analysis.explore.pictures import altered, dataset_of, pictures
from training.analysis.explore.explore import Findings, explore, find, render_page
from training.data.splits import split_for
from training.data.types import ImageDataset

ALWAYS = {"class_counts", "samples", "mean_images", "pixel_values", "brightness", "contrast"}


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    """300 training and 60 test images; 15 test images are copies, two of them with another label."""
    training, test = pictures(300), pictures(60, seed=1)
    for number in range(15):
        test[number] = altered(training[number], seed=number)
    test_labels = [number % 3 for number in range(60)]
    test_labels[3], test_labels[4] = 1, 2
    return dataset_of(training, test, test_labels=test_labels)


@pytest.fixture(scope="module")
def findings(dataset: ImageDataset) -> Findings:
    return find(dataset, split_for(dataset), Progress(disable=True))


def test_explore_writes_json_figures_and_page(dataset: ImageDataset, findings: Findings, tmp_path: Path) -> None:
    split = split_for(dataset)
    returned = explore(dataset, split, tmp_path / "new" / "folder", Progress(disable=True))
    folder = tmp_path / "new" / "folder"
    assert returned == findings
    written = json.loads((folder / "explore.json").read_text())
    assert written == json.loads(json.dumps(asdict(findings)))
    assert written["statistics"]["images"] == {"train": 240, "validation": 30, "holdout": 30, "test": 60}
    assert written["digest"] == dataset.digest
    assert written["split_digest"] == split.digest
    assert written["duplicates"]["near_test_images"] == 15
    assert written["duplicates"]["near_conflicts"] == 2

    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == ALWAYS | {"near_duplicates", "near_duplicates_at_the_threshold", "label_conflicts"}
    for path in (folder / "figures").iterdir():
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG"

    page = (folder / "index.html").read_text()
    assert page.count("<figure") == len(names)
    references = re.findall(r'\b(?:src|srcset|href)="([^"]*)"', page)
    assert len(references) == 2 * len(names)
    assert all(reference.startswith("data:image/png;base64,") for reference in references)
    assert re.search(r"Test images with a near duplicate in training</t[hd]>\s*<td[^>]*>15</td>", page)


def test_without_duplicates_there_are_no_figures_of_them(tmp_path: Path) -> None:
    dataset = dataset_of(pictures(100), pictures(10, seed=1))
    explore(dataset, split_for(dataset), tmp_path, Progress(disable=True))
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == ALWAYS
    assert (tmp_path / "index.html").read_text().count("<figure") == len(ALWAYS)


def test_explore_page_escapes_names(findings: Findings) -> None:
    hostile = "<script>alert(1)</script>"
    changed = Findings(**{**findings.__dict__, "name": hostile, "licence": hostile})
    figures = {name: {"light": b"l", "dark": b"d"} for name in ALWAYS}
    html = render_page(changed, figures)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 3


def test_explore_page_has_both_themes(findings: Findings) -> None:
    html = render_page(findings, {name: {"light": b"light", "dark": b"dark"} for name in ALWAYS})
    picture = re.search(r"<picture>(.*?)</picture>", html, re.DOTALL)
    assert picture is not None
    assert re.search(r'<source media="\(prefers-color-scheme: dark\)" srcset="[^"]*ZGFyaw==">', picture[1])
    assert re.search(r'<img src="[^"]*bGlnaHQ="', picture[1])


def test_explore_to_an_unwritable_folder_is_refused(dataset: ImageDataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError, match=r"cannot write to .*file.*--out"):
        explore(dataset, split_for(dataset), tmp_path / "file", Progress(disable=True))
