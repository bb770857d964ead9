"""Damaged .npz files: every damage raises one of the known errors."""

from __future__ import annotations

import io

import numpy as np

from core.files.npz import NPZ_ERRORS


def test_every_damage_is_a_known_error() -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, keys=np.arange(200, dtype=np.uint64) ** 3)
    content, generator = stream.getvalue(), np.random.default_rng(0)
    flipped = [bytearray(content) for _ in range(1_000)]
    for damaged in flipped:
        damaged[generator.integers(len(content))] = generator.integers(256)
    errors = set()
    for data in [content[: len(content) * part // 50] for part in range(50)] + [bytes(one) for one in flipped]:
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                _ = arrays["keys"]
        except NPZ_ERRORS as error:
            errors.add(type(error).__name__)
    assert {"BadZipFile", "EOFError", "error"} <= errors
