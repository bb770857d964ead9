"""Writer of captured traffic: quota, limits of the queue, errors of the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from core.repository.graph_records import Calibration
from service.engine.loaded_model import ModelVariant
from service.engine.observer import AnsweredRequest, ModelAnswer
from service.engine.postprocess import postprocess
from service.traffic import writer as writer_module
from service.traffic.reader import TrafficReader
from service.traffic.retention import used_bytes
from service.traffic.sample import Sample
from service.traffic.segments import segment_paths, segments_folder
from service.traffic.writer import TrafficWriter

CALIBRATION = Calibration(temperature=1, coverage=0.9, conformal_threshold=0.1, ood_threshold=0, ood_flag_rate=0.05)


def sample(request_id: str = "one", *, size: int = 32, images: int = 1, upload: bytes = b"") -> Sample:
    served = cast(ModelVariant, SimpleNamespace(family="cnn", version=1, precision="fp32", labels=("cat", "dog")))
    outputs = postprocess(np.tile(np.array([[2.0, 0.0]], np.float32), (images, 1)), CALIBRATION)
    answered = AnsweredRequest(
        request_id,
        "predict",
        [np.zeros((size, size, 3), np.uint8)] * images,
        [upload] * images,
        [ModelAnswer(served, outputs, CALIBRATION)],
    )
    return Sample(answered, datetime.now(UTC), 1.0)


def no_answers(samples: Sequence[Sample]) -> list[Future[list[ModelAnswer]]]:
    futures: list[Future[list[ModelAnswer]]] = [Future() for _ in samples]
    for future in futures:
        future.set_result([])
    return futures


def writer_of(home: Path, counts: Counter[str], **changes: Any) -> TrafficWriter:
    options: dict[str, Any] = {"quota_bytes": 1 << 20, "uploads": False, "ask": no_answers}
    return TrafficWriter(home, **(options | changes), count=lambda outcome, n: counts.update({outcome: n}))


def ids(home: Path) -> list[str]:
    return [record.id for record in TrafficReader(home).read_all()]


def test_close_writes_samples_that_still_wait_for_other_families(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    asked: list[Future[list[ModelAnswer]]] = []

    def ask(samples: Sequence[Sample]) -> list[Future[list[ModelAnswer]]]:
        futures: list[Future[list[ModelAnswer]]] = [Future() for _ in samples]
        asked.extend(futures)
        return futures

    writer = writer_of(tmp_path, counts, ask=ask)
    writer.start()
    for number in range(3):
        writer.put(sample(str(number), images=2))
    writer.close()

    assert ids(tmp_path) == ["0~0", "0~1", "1~0", "1~1", "2~0", "2~1"]
    assert counts == {"written": 6}
    assert all(future.cancelled() for future in asked)


def test_quota_holds_after_every_batch_and_keeps_the_newest(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    quota = 64 * 1024
    writer = writer_of(tmp_path, counts, quota_bytes=quota)
    for number in range(80):  # 3 KiB each
        writer.put(sample(str(number)))
        writer._tick(last=True)
        assert used_bytes(segments_folder(tmp_path)) <= quota
    writer._close_segment()

    assert counts == {"written": 80}
    kept = ids(tmp_path)
    assert kept == [str(number) for number in range(80 - len(kept), 80)]
    assert len(kept) >= 14


def test_batch_larger_than_the_quota_is_dropped(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    writer = writer_of(tmp_path, counts, quota_bytes=1024)
    writer.put(sample())
    writer._tick(last=True)

    assert counts == {"dropped": 1}
    assert segment_paths(segments_folder(tmp_path)) == []


def test_full_queue_drops_further_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_QUEUED", 2)
    counts: Counter[str] = Counter()
    writer = writer_of(tmp_path, counts)
    for number in range(4):
        writer.put(sample(str(number)))
    writer._tick(last=True)
    writer.put(sample("later"))
    writer._tick(last=True)
    writer._close_segment()

    assert ids(tmp_path) == ["0", "1", "later"]
    assert counts == {"dropped": 2, "written": 3}


def test_queued_bytes_are_limited_with_uploads_only_if_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_QUEUED_BYTES", 10_000)
    without, with_uploads = Counter[str](), Counter[str]()
    writer_of(tmp_path, without).put(sample(upload=bytes(20_000)))
    writer_of(tmp_path, with_uploads, uploads=True).put(sample(upload=bytes(20_000)))

    assert (without, with_uploads) == ({}, {"dropped": 1})


def test_unwritable_folder_is_reported_and_tried_again(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    writer = writer_of(tmp_path, counts, retry_seconds=0)
    (tmp_path / "traffic").write_bytes(b"")  # a file where the folder should be
    writer.put(sample("a"))
    writer._tick(last=True)
    problem = writer.problem
    assert problem == "Not a directory"
    (tmp_path / "traffic").unlink()
    writer.put(sample("b"))
    writer._tick(last=True)
    writer._close_segment()

    assert writer.problem is None
    assert ids(tmp_path) == ["b"]
    assert counts == {"failed": 1, "written": 1}
