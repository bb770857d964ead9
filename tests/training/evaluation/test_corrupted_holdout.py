from __future__ import annotations

import numpy as np
import pytest

from core.records.base import ReportedModel
from core.records.corrupted_holdout import CorruptedCondition, CorruptedHoldout
from core.repository.manifest import GRAPHS
from core.statistics.energy import energy
from tests.support.published_pair import PublishedPair
from training.corruptions.cifar10c import EXTRA_CORRUPTIONS, corrupted
from training.data.test_subset import stratified
from training.evaluation import corrupted_holdout
from training.export.run_onnx import predict_logits

pytestmark = pytest.mark.slow


def measured(pair: PublishedPair) -> CorruptedHoldout:
    graph, calibration = pair.folder(pair.cnn) / GRAPHS["fp32"], pair.cnn.calibration["fp32"]
    return corrupted_holdout.measure_corrupted_holdout(
        graph, ReportedModel.of(pair.cnn), pair.images, calibration, threads=1
    )


def test_corrupted_holdout_has_every_kind_at_two_severities(pair: PublishedPair) -> None:
    record = measured(pair)
    expected = [(name, severity) for name in EXTRA_CORRUPTIONS for severity in (2, 4)]
    assert [(each.name, each.severity) for each in record.conditions] == expected
    part, graph = pair.images.part("holdout"), pair.folder(pair.cnn) / GRAPHS["fp32"]
    logits_NK = predict_logits(graph, corrupted("saturate", 4, part.images_NHWC, 0), threads=1)
    flagged_N = energy(logits_NK) > pair.cnn.calibration["fp32"].ood_threshold
    right_N = logits_NK.argmax(axis=1) == part.labels_N
    assert record.conditions[-1] == CorruptedCondition.of("saturate", 4, right_N, flagged_N)
    assert record.data.seed is None
    assert record.share_right().mean() == pytest.approx(record.accuracy)
    assert record.share_flagged().mean() == pytest.approx(record.flag_rate)
    assert CorruptedHoldout.model_validate_json(record.model_dump_json()) == record


def test_large_holdout_is_subsampled_with_its_digest(pair: PublishedPair, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(pair)
    monkeypatch.setattr(corrupted_holdout, "IMAGES", 12)
    part = measured(pair)
    assert (part.data.images, part.data.seed is None) == (12, False)
    assert part.images_key != whole.images_key
    chosen_N = stratified(pair.images.part("holdout").labels_N, 12)
    assert np.isin(part.share_right(), np.arange(9) / 8).all()
    assert len(part.share_right()) == len(chosen_N) == 12
