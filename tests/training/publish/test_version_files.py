"""Records and files of every version: the data set, and the evaluation with its card, figures and file records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.repository.evaluation import read_evaluation
from core.repository.manifest import file_record, read_manifest
from core.repository.predictions import load_predictions
from tests.support.published_pair import PublishedPair
from tests.support.training_runs import small_images
from training.publish.version_files import data_record


def test_data_record_counts_the_images_of_each_part() -> None:
    images = small_images()
    record = data_record(images, ("train", "validation"))
    split, dataset = images.split, images.dataset
    assert record.counts == {
        "train": len(split.train),
        "validation": len(split.validation),
        "holdout": len(split.holdout),
        "test": len(dataset.test),
    }
    assert (record.name, record.digest, record.split_digest) == (dataset.name, dataset.digest, split.digest)
    assert record.trained_on == ("train", "validation")


@pytest.mark.slow
def test_manifest_records_every_file_and_the_corrupted_holdout(pair: PublishedPair) -> None:
    for manifest in (pair.cnn, pair.mlp):
        folder: Path = pair.folder(manifest)
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        assert manifest.files == {name: file_record(path) for name, path in paths.items() if name != "manifest.json"}
        assert {"README.md", "evaluation.json", "figures/confusion.png", "predictions.npz"} <= manifest.files.keys()
        corrupted = json.loads((folder / "corrupted_holdout.json").read_text(encoding="utf-8"))
        assert corrupted["model"]["weights"] == manifest.files["weights.safetensors"].sha256
        assert manifest.metrics.corrupted_accuracy is not None
        assert manifest.metrics.corrupted_flag_rate is not None
        assert read_manifest(folder) == manifest


@pytest.mark.slow
def test_stored_predictions_agree_with_the_evaluation(pair: PublishedPair) -> None:
    folder = pair.folder(pair.cnn)
    test, scores = load_predictions(folder, "test"), read_evaluation(folder).scores["fp32"]
    assert float((test.predicted() == test.labels).mean()) == pytest.approx(scores.accuracy.value)
    assert len(load_predictions(folder, "holdout").labels) == pair.cnn.data.counts["holdout"]
