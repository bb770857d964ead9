from __future__ import annotations

import pytest

from tests.support.published_pair import PublishedPair
from training.analysis.report.latency import BATCHES, measure_latency

pytestmark = pytest.mark.slow


def test_every_graph_is_timed_alone_and_in_batches(pair: PublishedPair) -> None:
    record = measure_latency(pair.cnn, pair.folder(pair.cnn), quick=True)
    assert record.model.reference == "cnn@1"
    assert record.cpu
    measured = {(each.precision, each.batch) for each in record.timings}
    assert measured == {(precision, batch) for precision in pair.cnn.calibration for batch in BATCHES}
    for each in record.timings:
        assert 0 < each.ms.low <= each.ms.value <= each.ms.high
        assert each.runs >= 10
    assert record.of("fp32", 1) is not None
    assert record.of("fp32", 7) is None
