"""`duet predict`: one row for each file, offline and with a service, also after a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.batch.journal import Journal
from tests.support.duet_command import Duet
from tests.support.onnx_models import CLASSES, SIZE, write_onnx_version
from tests.support.service import service_process, set_champions

GRAYS = {"black": 0, "dark": 64, "grey": 128, "light": 191, "white": 255}


def write_image(path: Path, gray: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIZE, SIZE, 3), gray, np.uint8)).save(path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def models(home: Path) -> Path:
    write_onnx_version(home / "models" / "cnn" / "1", int8=True)
    write_onnx_version(home / "models" / "cnn" / "2", version=2, inverted=True)
    set_champions(home / "models", cnn=1)
    return home


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images in folders, and files that are not images."""
    folder = tmp_path / "photos"
    for label, gray in GRAYS.items():
        write_image(folder / "in, ner" / f"{label} ü.png", gray)
    (folder / "notes.txt").write_text("no image")
    (folder / "cut.png").write_bytes((folder / "in, ner" / "white ü.png").read_bytes()[:45])
    (folder / ".DS_Store").write_bytes(b"x")
    os.mkfifo(folder / "pipe.png")
    return folder


def check_rows(found: list[dict[str, str]], folder: Path) -> None:
    assert [row["file"] for row in found] == [
        f"{folder}/cut.png",
        *[f"{folder}/in, ner/{label} ü.png" for label in sorted(CLASSES)],
        f"{folder}/notes.txt",
        f"{folder}/pipe.png",
    ]
    assert [row["label"] for row in found] == ["", *sorted(CLASSES), "", ""]
    errors = [found[position]["error"] for position in (0, 6, 7)]
    assert "PNG image is damaged" in errors[0]
    assert "not an image" in errors[1]
    assert "not a regular file" in errors[2]
    for row in found[1:6]:
        assert float(row["probability"]) > 0.5
        assert row["label"] in json.loads(row["prediction_set"])
        assert row["out_of_distribution"] in ("true", "false")


def test_folder_is_predicted_offline(
    duet: Duet, models: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    assert duet("predict", str(images), "--out", str(out), "--threads", "1") == 0
    assert capsys.readouterr().out == f"cnn@1: 5 files predicted, 3 unreadable, in {out}\n"
    check_rows(rows(out), images)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == ["out.csv"]
    assert duet("predict", str(images), "--out", str(out)) == 1
    assert "out.csv exists: remove it" in capsys.readouterr().err


def test_named_files_version_and_precision_are_used(duet: Duet, models: Path, images: Path, tmp_path: Path) -> None:
    files = [str(images / "in, ner" / f"{label} ü.png") for label in ("white", "black", "white")]
    assert duet("predict", *files, "--out", str(tmp_path / "two.csv"), "--model", "cnn@2") == 0
    assert [row["label"] for row in rows(tmp_path / "two.csv")] == ["black", "white"]  # cnn@2 is inverted
    words = ["--out", str(tmp_path / "int8.csv"), "--model", "cnn@1", "--precision", "int8"]
    assert duet("predict", *files, *words) == 0
    exact = ["--out", str(tmp_path / "fp32.csv"), "--model", "cnn@1", "--precision", "fp32"]
    assert duet("predict", *files, *exact) == 0
    int8, fp32 = (rows(tmp_path / f"{name}.csv") for name in ("int8", "fp32"))
    assert [row["label"] for row in fp32] == ["white", "black"]
    assert [row["probability"] for row in int8] != [row["probability"] for row in fp32]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none", "--out", "a.csv"), "there is no file or folder none"),
        ((".", "--out", "a.csv", "--model", "cnn@9"), "unknown version 9 of cnn"),
        ((".", "--out", "a.csv", "--model", "cnn@2", "--precision", "int8"), "cnn@2 cannot be run in int8"),
        ((".", "--out", "a.xlsx"), "a.xlsx has no known format"),
        ((".", "--out", "a.csv", "--url", "http://127.0.0.1:1"), "127.0.0.1:1"),
    ],
)
def test_wrong_options_are_refused(
    duet: Duet,
    models: Path,
    images: Path,
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(images)
    before = sorted(images.iterdir())
    assert duet("predict", *words) == 1
    assert message in capsys.readouterr().err
    assert sorted(images.iterdir()) == before


def test_output_in_the_folder_is_no_input(
    duet: Duet, models: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    (images / "out.csv.partial").touch()
    assert duet("predict", ".", "--out", "out.csv") == 0
    assert len(rows(images / "out.csv")) == 8


@pytest.mark.slow
def test_killed_command_resumes_with_one_row_for_each_file(models: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "many", tmp_path / "out.csv"
    for number in range(600):
        write_image(folder / f"{number:04}.png", number % 256)
    command = [sys.executable, "-m", "duet", "predict", str(folder), "--out", str(out), "--threads", "1"]
    journal = Journal(out).path
    lines = 0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") <= lines + 1):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines = journal.read_bytes().count(b"\n")
        assert 1 < lines <= 600
        assert not out.exists()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "600 files predicted, 0 unreadable" in done.stdout
    found = rows(out)
    assert [row["file"] for row in found] == [f"{folder}/{number:04}.png" for number in range(600)]
    assert all(row["label"] == CLASSES[round(number % 256 / 63.75)] for number, row in enumerate(found))


@pytest.mark.slow
def test_folder_is_predicted_with_a_service(
    duet: Duet, models: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with service_process(models) as service:
        out = tmp_path / "out.csv"
        assert duet("predict", str(images), "--out", str(out), "--url", service.url, "--threads", "2") == 0
        assert duet("predict", str(images), "--out", str(tmp_path / "2.csv"), "--url", service.url, "--model", "cnn@7")
    captured = capsys.readouterr()
    assert captured.out == f"cnn@1: 5 files predicted, 3 unreadable, in {out}\n"
    assert "has no version cnn@7: it has cnn@1, cnn@2" in captured.err
    check_rows(rows(out), images)
