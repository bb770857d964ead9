"""Comparison of versions of a data set that changed, on images that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from core.gate import costs as gate_costs
from core.gate.holdout import Evidence
from core.gate.promotion import promote_on_evidence
from core.gate.report import GateThresholds
from core.gate.shared_images import Pair, pair
from core.repository.image_keys import (
    IMAGE_KEYS_NAME,
    HoldoutPredictions,
    ImageKeys,
    save_image_keys,
)
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions
from core.repository.repository import ModelRepository
from tests.support.holdouts import predictions_file
from tests.support.onnx_models import CLASSES as GRAYS
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import make_manifest, write_aliases

NAMES = ("ant", "bee")
FEW = GateThresholds(min_shared_images=2)


def keys(*values: int) -> Any:
    return np.array(values, dtype=np.uint64)


def side(
    version: int,
    holdout: Mapping[int, tuple[str, str]],
    *,
    trained: Sequence[int] = (),
    names: tuple[str, ...] = NAMES,
    champions: Mapping[str, HoldoutPredictions] | None = None,
    **fields: Any,
) -> Evidence:
    """A version and its holdout: true class and prediction by key; predictions have a confidence of 0.9."""
    labels_N = np.array([names.index(true) for true, _ in holdout.values()], np.int64)
    probabilities_NK = np.full((len(holdout), len(names)), 0.1 / (len(names) - 1), np.float32)
    for row, (_, predicted) in enumerate(holdout.values()):
        probabilities_NK[row, names.index(predicted)] = 0.9
    data = make_manifest().data.model_copy(update={"digest": f"{version}" * 64, **fields})
    return Evidence(
        make_manifest("pets", version, class_names=names, data=data),
        Path("nowhere"),
        SplitPredictions(np.arange(len(holdout)), labels_N, {"fp32": probabilities_NK}),
        keys=ImageKeys(np.array(sorted(trained), np.uint64), keys(*holdout)),
        champions=champions or {},
    )


def rows(pair: Pair) -> list[tuple[str, str, str]]:
    """True class, candidate's and champion's prediction of each compared image."""
    names = pair.candidate.manifest.class_names
    assert pair.candidate.holdout.labels.tolist() == pair.other.holdout.labels.tolist()
    predicted = (each.holdout.predicted() for each in (pair.candidate, pair.other))
    return [
        (names[true], names[new], names[old])
        for true, new, old in zip(pair.candidate.holdout.labels, *predicted, strict=True)
    ]


def test_equal_holdouts_are_compared_whole() -> None:
    holdout = {1: ("ant", "ant"), 2: ("bee", "bee")}
    champion = side(1, holdout)
    candidate = replace(champion, manifest=champion.manifest.model_copy(update={"version": 2}))
    found = pair(candidate, champion, GateThresholds())
    assert (found.candidate, found.other, found.shared) == (candidate, champion, None)


def test_small_holdout_with_the_same_images_is_compared_whole() -> None:
    """Another image size changes the digest but not the images."""
    holdout = {1: ("ant", "ant"), 2: ("bee", "ant")}
    champion, candidate = side(1, holdout, trained=(5,)), side(2, {1: ("ant", "ant"), 2: ("bee", "bee")}, trained=(5,))
    found = pair(candidate, champion, GateThresholds(min_shared_images=20))
    assert rows(found) == [("ant", "ant", "ant"), ("bee", "bee", "ant")]
    assert found.shared is not None
    assert found.shared.sentence.startswith("the two have the same holdout images with another size")
    with pytest.raises(DataError, match="at least 20 are needed"):
        pair(side(3, holdout, trained=(2,)), champion, GateThresholds(min_shared_images=20))


def test_holdout_and_newly_predicted_images_are_compared() -> None:
    champion = side(1, {1: ("ant", "ant"), 2: ("bee", "ant"), 9: ("bee", "bee")}, trained=(20,))
    predicted = HoldoutPredictions(keys(3, 4), np.array([[0.2, 0.8], [0.6, 0.4]], np.float32))
    candidate = side(
        2,
        {4: ("bee", "bee"), 1: ("ant", "bee"), 2: ("bee", "bee"), 3: ("bee", "ant"), 5: ("ant", "ant")},
        trained=(20, 21),
        champions={"pets@1": predicted, "pets@7": predicted},
    )
    found = pair(candidate, champion, FEW)
    assert rows(found) == [("bee", "bee", "ant"), ("ant", "bee", "ant"), ("bee", "bee", "ant"), ("bee", "ant", "bee")]
    assert found.shared is not None
    assert (found.shared.images, found.shared.holdout, found.shared.not_predicted) == (4, 5, 1)
    assert found.shared.sentence == (
        "the data set has changed, and 4 of the 5 holdout images of pets@2 can be compared; left out: 1 without a "
        "prediction of pets@1"
    )


def test_images_that_either_was_trained_on_are_left_out() -> None:
    champion = side(1, {1: ("ant", "ant"), 2: ("bee", "ant"), 3: ("bee", "bee")}, trained=(4,))
    predicted = HoldoutPredictions(keys(4), np.array([[0.9, 0.1]], np.float32))
    holdout = {1: ("ant", "ant"), 2: ("bee", "bee"), 3: ("bee", "bee"), 4: ("ant", "ant")}
    candidate = side(2, holdout, trained=(3,), champions={"pets@1": predicted})
    found = pair(candidate, champion, FEW)
    assert rows(found) == [("ant", "ant", "ant"), ("bee", "bee", "ant")]
    assert found.shared is not None
    assert (found.shared.trained_on, found.shared.not_predicted) == (2, 0)


def test_corrected_labels_count_for_both() -> None:
    champion = side(1, {1: ("ant", "ant"), 2: ("ant", "ant")})
    candidate = side(2, {1: ("ant", "ant"), 2: ("bee", "bee")})
    assert rows(pair(candidate, champion, FEW)) == [("ant", "ant", "ant"), ("bee", "bee", "ant")]


def test_new_class_is_reported_separately() -> None:
    """The order of the classes changes, because they are sorted by name."""
    champion = side(1, {1: ("ant", "ant"), 2: ("bee", "bee")})
    candidate = side(
        2,
        {1: ("ant", "ape"), 2: ("bee", "bee"), 3: ("ape", "ape"), 4: ("ape", "ant")},
        names=("ant", "ape", "bee"),
    )
    found = pair(candidate, champion, FEW)
    assert rows(found) == [("ant", "ape", "ant"), ("bee", "bee", "bee")]
    assert found.other.holdout.probabilities["fp32"].tolist() == pytest.approx(np.array([[0.9, 0, 0.1], [0.1, 0, 0.9]]))
    assert found.shared is not None
    [new] = found.shared.new_classes
    assert (new.label, new.images, new.recall) == ("ape", 2, 0.5)
    assert "; left out: 2 of new classes; of 2 images of the new class ape, pets@2 finds 50.0%" in found.shared.sentence


def test_too_few_shared_images_are_refused_with_the_numbers() -> None:
    champion = side(1, {1: ("ant", "ant"), 2: ("bee", "bee")})
    candidate = side(2, {1: ("ant", "ant"), 3: ("bee", "bee")})
    with pytest.raises(DataError, match=r"1 of the 2 holdout images of pets@2 .*; at least 20 are needed: add images"):
        pair(candidate, champion, GateThresholds())


def test_removed_class_and_another_data_set_are_refused() -> None:
    holdout = {1: ("ant", "ant"), 2: ("bee", "bee")}
    fewer = side(2, holdout)
    with pytest.raises(DataError, match="their classes differ"):
        pair(fewer, side(1, holdout, names=("ant", "bee", "cow")), FEW)
    with pytest.raises(DataError, match=r"different holdouts.*\(digest [0-9a-f]{64}\)$"):
        pair(side(2, holdout, name="folder:others"), side(1, holdout), FEW)


@pytest.mark.parametrize("old", [1, 2])
def test_version_without_a_record_of_its_images_is_named(old: int) -> None:
    sides = {version: side(version, {1: ("ant", "ant"), 2: ("bee", "bee")}) for version in (1, 2)}
    sides[old] = replace(sides[old], keys=None)
    with pytest.raises(DataError, match=f"different holdouts.*; pets@{old} has no record of single images"):
        pair(sides[2], sides[1], FEW)


def test_stored_predictions_of_another_number_of_classes_are_refused() -> None:
    predicted = HoldoutPredictions(keys(3), np.full((1, 3), 1 / 3, np.float32))
    candidate = side(2, {1: ("ant", "ant"), 3: ("bee", "bee")}, champions={"pets@1": predicted})
    with pytest.raises(
        DataError, match=r"champion_predictions\.npz of pets@2 is damaged: .* 3 classes for pets@1, .* 2"
    ):
        pair(candidate, side(1, {1: ("ant", "ant")}), FEW)


def write_grown_version(models: Path, version: int, *, images: int, wrong: int, scratch: Path) -> None:
    """A version of cnn on a folder of grays: `images` holdout images of each class, the first `wrong` of them wrong.

    Image k of a class has the same key in every version.
    """
    per_class = np.tile(np.arange(images), len(GRAYS))
    labels_N = np.repeat(np.arange(len(GRAYS)), images)
    files = {PREDICTIONS_NAME: predictions_file(scratch, per_class >= wrong, labels_N)}
    save_image_keys(scratch, ImageKeys(keys(999_999), (labels_N * 1_000 + per_class).astype(np.uint64)))
    files[IMAGE_KEYS_NAME] = (scratch / IMAGE_KEYS_NAME).read_bytes()
    data = make_manifest().data.model_copy(update={"name": "folder:grays", "digest": f"{version}" * 64})
    write_onnx_version(models / "cnn" / str(version), "cnn", version, extra_files=files, data=data)


def test_gate_promotes_a_better_version_of_a_grown_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_costs, "CPU_SECONDS", 0.02)
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    for version, images, wrong in ((1, 20, 10), (2, 30, 0), (3, 40, 1)):
        write_grown_version(repository.home_models, version, images=images, wrong=wrong, scratch=tmp_path / "made")
    write_aliases(repository.home_models, cnn=1)

    def decide(version: int) -> Any:
        return promote_on_evidence(
            repository, "cnn", version, policy="if_better", thresholds=GateThresholds(), actor="ada", reason="grown"
        )  # fmt: skip

    decision = decide(2)
    assert repository.champion("cnn") == 2
    report = decision.report
    assert (report.ground, report.comparison.images, report.comparison.only_first_right) == (
        "significant_gain",
        100,
        50,
    )
    assert (report.shared.images, report.shared.holdout, report.shared.not_predicted) == (100, 150, 50)
    assert {reference: record.images for reference, record in report.holdouts.items()} == {"cnn@1": 100, "cnn@2": 150}
    assert decide(3).report.ground == "not_better"
    assert repository.champion("cnn") == 2
