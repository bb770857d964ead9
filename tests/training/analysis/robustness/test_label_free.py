"""Label-free accuracy of two small versions: conditions, estimates, choice of inputs, resuming, lookup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.records.base import write_report
from core.records.label_free import LabelFree
from core.records.lookup import find_report, report_path
from core.repository.manifest import GRAPHS
from core.sequential.disagreement import INPUTS, input_values
from core.statistics.calibration import softmax
from tests.support.published_pair import PublishedPair
from training.analysis.robustness import label_free
from training.analysis.robustness.label_free import Answers, choose_inputs, measure_label_free
from training.corruptions.cifar10c import CORRUPTIONS, corrupted
from training.data.test_subset import subset_of_test
from training.export.run_onnx import predict_logits

COUNT = 60


def measured(pair: PublishedPair, memory: Path) -> LabelFree:
    folders = pair.folder(pair.cnn), pair.folder(pair.mlp)
    return measure_label_free((pair.cnn, pair.mlp), folders, pair.images, memory, threads=1, count=COUNT)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("label_free") / "memory"


@pytest.fixture(scope="module")
def record(pair: PublishedPair, memory: Path) -> LabelFree:
    return measured(pair, memory)


@pytest.mark.slow
def test_errors_are_of_the_conditions_that_are_not_in_the_fit(record: LabelFree) -> None:
    assert LabelFree.model_validate_json(record.model_dump_json()) == record
    for fit in record.fits:
        assert [each.name for each in fit.conditions if each.kind == "clean"] == ["clean"]
        assert {each.name for each in fit.conditions} == {*CORRUPTIONS, "clean", "rotation"}
        assert len(fit.conditions) == 1 + 70 + 5
        errors = [abs(each.estimate - each.accuracy) for each in fit.conditions if each.name in CORRUPTIONS]
        assert fit.error() == pytest.approx(np.mean(errors))
        assert fit.largest_error >= max(errors)
        assert {each.inputs for each in fit.candidates} == set(INPUTS)
        assert fit.correctness.inputs == fit.candidates[0].inputs
        assert fit.candidates[0].error == min(each.error for each in fit.candidates)
    assert record.fit_of("mlp@1") is record.fits[1]


@pytest.mark.slow
def test_estimates_are_those_of_the_served_probabilities(pair: PublishedPair, record: LabelFree) -> None:
    subset, _ = subset_of_test(pair.images.dataset, COUNT)
    images_NHWC = corrupted("fog", 5, subset.images_NHWC, 0)
    own_NK, other_NK = (
        softmax(
            predict_logits(pair.folder(each) / GRAPHS["fp32"], images_NHWC, threads=1),
            each.calibration["fp32"].temperature,
        )
        for each in (pair.cnn, pair.mlp)
    )
    fit = record.fits[0]
    [condition] = [each for each in fit.conditions if (each.name, each.level) == ("fog", 5)]
    assert condition.accuracy == np.mean(own_NK.argmax(axis=1) == subset.labels_N)
    assert condition.estimate == pytest.approx(fit.correctness.accuracy(own_NK, other_NK), abs=1e-6)


@pytest.mark.slow
def test_an_interrupted_measurement_resumes(
    pair: PublishedPair, record: LabelFree, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_free, "_answer", lambda *_: pytest.fail("computed again"))
    assert measured(pair, memory) == record


@pytest.mark.slow
def test_the_record_is_found_for_both_versions_in_its_order(
    pair: PublishedPair, record: LabelFree, tmp_path: Path
) -> None:
    write_report(report_path(tmp_path, "label_free", pair.cnn.reference, pair.mlp.reference), record)
    found = find_report(LabelFree, [pair.cnn, pair.mlp], [tmp_path])
    assert found is not None
    assert found.record == record
    assert find_report(LabelFree, [pair.mlp, pair.cnn], [tmp_path]) is None


@pytest.mark.slow
def test_a_version_of_another_split_is_refused(pair: PublishedPair, tmp_path: Path) -> None:
    other = pair.mlp.model_copy(update={"data": pair.mlp.data.model_copy(update={"split_digest": "0" * 64})})
    with pytest.raises(DataError, match="another split"):
        measure_label_free(
            (pair.cnn, other), (pair.folder(pair.cnn), pair.folder(pair.mlp)), pair.images, tmp_path / "m", threads=1
        )


def test_inputs_are_chosen_by_the_error_on_the_kind_left_out() -> None:
    """The own confidence says nothing, the other model's answer everything."""
    random = np.random.default_rng(0)
    fitted = {}
    for level, accuracy in enumerate((0.9, 0.7, 0.5)):
        for name in ("clean", "noise", "blur") if level == 0 else ("noise", "blur"):
            right_N = random.random(500) < accuracy
            own_NK = np.tile([0.6, 0.4], (500, 1))
            other_NK = np.where(right_N[:, None], [0.7, 0.3], [0.3, 0.7])
            values = {inputs: input_values(inputs, own_NK, other_NK) for inputs in INPUTS}
            fitted[name, level] = Answers(values, right_N)
    candidates = choose_inputs(fitted)
    assert candidates[0].inputs != "confidence"
    assert candidates[0].error < 0.01
    assert candidates[-1].inputs == "confidence"
    assert candidates[-1].error > 0.1
