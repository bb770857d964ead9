"""Inputs of the audit: pages, versions, records and CIFAR-10, read without any code of the project."""

from __future__ import annotations

import json
import os
import pickle
import re
import warnings
from base64 import b64decode
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
Array = npt.NDArray[Any]
_BATCH = 100


def read_pages() -> dict[str, str]:
    """Text of the audited pages by name."""
    return {
        "README": (ROOT / "README.md").read_text("utf-8"),
        "findings": (ROOT / "docs/findings.md").read_text("utf-8"),
    }


def cell(page: str, row: str | tuple[str, ...], column: str) -> str:
    """Cell of the first table of a page with this column and a row that starts with these cells; empty if none has."""
    start = (row,) if isinstance(row, str) else row
    for table in re.findall(r"(?:^\|.*\|\n)+", page + "\n", flags=re.MULTILINE):
        header, *rows = [[each.strip(" `") for each in line.strip("|").split("|")] for line in table.splitlines()]
        for cells in rows:
            if column in header and tuple(cells[: len(start)]) == start:
                return str(cells[header.index(column)])
    return ""


def json_of(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(path.read_text("utf-8"))


def bits(text: str, count: int) -> Array:
    """Bool [count] from packed bits in base64."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8), count=count).astype(bool)


@dataclass(frozen=True)
class Version:
    """A shipped version: its manifest, its stored probabilities and its graph."""

    family: str
    number: int

    @property
    def reference(self) -> str:
        """Name on the pages, such as cnn@4."""
        return f"{self.family}@{self.number}"

    @property
    def folder(self) -> Path:
        """Folder of the files of the version."""
        return MODELS / self.family / str(self.number)

    @cached_property
    def manifest(self) -> Any:
        """Content of manifest.json."""
        return json_of(self.folder / "manifest.json")

    @cached_property
    def calibration(self) -> Any:
        """Temperature and thresholds of the float32 graph."""
        return self.manifest["calibration"]["fp32"]

    @cached_property
    def stored(self) -> dict[str, Array]:
        """Arrays of predictions.npz."""
        with np.load(self.folder / "predictions.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    @property
    def test(self) -> tuple[Array, Array]:
        """Stored probabilities float64 [N, 10] of the float32 graph, and labels, of the test images."""
        return self.stored["test.fp32"].astype(float), self.stored["test.labels"]

    @property
    def holdout(self) -> tuple[Array, Array]:
        """As `test`, of the holdout images."""
        return self.stored["holdout.fp32"].astype(float), self.stored["holdout.labels"]

    @cached_property
    def session(self) -> Any:
        """The float32 graph on one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def logits(self, images_NHWC: Array) -> Array:
        """Run the graph on uint8 images [N, 32, 32, 3]; float64 [N, 10]."""
        blocks = [images_NHWC[start : start + _BATCH] for start in range(0, len(images_NHWC), _BATCH)]
        return np.concatenate([self.session.run(["logits"], {"images": block})[0] for block in blocks]).astype(float)

    def record(self, kind: str) -> Any:
        """The record models/reports/KIND of this version, or the file of this name in the folder of the version."""
        own = self.folder / f"{kind}.json"
        return json_of(own if own.is_file() else MODELS / "reports" / kind / f"{self.reference}.json")


@dataclass(frozen=True)
class Sources:
    """Everything that the audit reads.

    Attributes:
        images: number of test images that each graph predicts again.
        pages: text of the audited pages by name.
    """

    images: int
    pages: dict[str, str] = field(default_factory=read_pages)

    @cached_property
    def aliases(self) -> Any:
        """Content of models/aliases.json."""
        return json_of(MODELS / "aliases.json")

    @cached_property
    def champions(self) -> tuple[Version, Version]:
        """The champions of mlp and cnn."""
        return Version("mlp", self.aliases["champions"]["mlp"]), Version("cnn", self.aliases["champions"]["cnn"])

    @cached_property
    def test(self) -> tuple[Array, Array]:
        """CIFAR-10's test images, uint8 [10000, 32, 32, 3], and labels."""
        return _cifar10("test_batch")

    @cached_property
    def training(self) -> tuple[Array, Array]:
        """CIFAR-10's training images, uint8 [50000, 32, 32, 3], and labels."""
        parts = [_cifar10(f"data_batch_{number}") for number in range(1, 6)]
        return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])

    @cached_property
    def part_N(self) -> Array:
        """Part of each training image: 0 train, 1 validation, 2 holdout."""
        with np.load(ROOT / "training/data/cifar10_split.npz", allow_pickle=False) as stored:
            return np.asarray(stored["part_N"])


def _cifar10(name: str) -> tuple[Array, Array]:
    path = Path(os.environ["DUET_DATA_DIR"]) / "cifar-10-batches-py" / name
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns about the data types in the old pickles
        batch = pickle.load(stream, encoding="bytes")
    return batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(batch[b"labels"])
