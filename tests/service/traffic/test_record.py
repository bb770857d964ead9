"""Records of captured requests: encoding, ids, answers."""

from __future__ import annotations

import numpy as np
import pytest

from service.traffic.record import CapturedRequest, RecordError, decode, decode_key, encode, request_id_of
from tests.support.traffic import AT, answer, captured


@pytest.mark.parametrize("upload", [None, b"", b"\x89PNG"])
def test_decode_returns_the_encoded_record(upload: bytes | None) -> None:
    record = captured(upload=upload, images=3, index=2, origin="trial", trial="t1", route="infer")

    read = decode(encode(record))

    for name in CapturedRequest.__dataclass_fields__:
        if name not in ("image", "answers"):
            assert getattr(read, name) == getattr(record, name), name
    assert np.array_equal(read.image, record.image)
    assert [each.family for each in read.answers] == ["cnn", "mlp"]
    assert [each.in_response for each in read.answers] == [True, False]
    assert np.array_equal(read.answers[0].probabilities_K, np.array([0.75, 0.25], np.float32))
    assert read.answers[0].probabilities_K.dtype == np.float32


def test_id_names_the_image_only_if_there_are_several() -> None:
    assert captured("a.1").id == "a.1"
    assert captured("a.1", index=1, images=2).id == "a.1~1"
    assert request_id_of("a.1~1") == request_id_of("a.1") == "a.1"


def test_answer_reads_label_and_confidence_of_the_most_probable_class() -> None:
    dog = answer(label="dog")

    assert (dog.label, dog.confidence, dog.reference) == ("dog", 0.75, "cnn@1")
    assert captured().answer_of("mlp") is not None
    assert captured().answer_of("vit") is None


def test_decode_key_reads_id_and_time() -> None:
    assert decode_key(encode(captured())) == ("one", AT.timestamp())


@pytest.mark.parametrize(
    "damage", [lambda body: body[:-1], lambda body: body + b"x", lambda _: b"", lambda _: bytes(99)]
)
def test_damaged_body_raises_record_error(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(RecordError):
        decode(damage(encode(captured())))


def test_record_of_a_newer_format_names_the_update() -> None:
    body = encode(captured()).replace(b'"format":1', b'"format":9')

    with pytest.raises(RecordError, match="update this installation"):
        decode(body)
