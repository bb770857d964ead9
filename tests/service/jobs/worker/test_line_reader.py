import os
from collections.abc import Iterator

import pytest

from service.jobs.worker.line_reader import LineReader, OversizedLine


@pytest.fixture
def pipe() -> Iterator[tuple[LineReader, int]]:
    reads, writes = os.pipe()
    yield LineReader(reads, limit=10), writes
    os.close(reads)


def test_read_returns_complete_lines_only(pipe: tuple[LineReader, int]) -> None:
    reader, writes = pipe
    assert reader.read() == []
    os.write(writes, b"one\ntw")
    assert reader.read() == [b"one"]
    os.write(writes, b"o")
    assert reader.read() == []
    os.write(writes, b"\n\n0123456789\nrest")
    assert reader.read() == [b"two", b"", b"0123456789"]
    os.close(writes)
    assert reader.read() == [b"rest"]
    assert reader.ended
    assert reader.read() == []


def test_read_of_an_oversized_line_returns_its_length(pipe: tuple[LineReader, int]) -> None:
    reader, writes = pipe
    os.write(writes, b"short\n" + b"x" * 11 + b"\nnext\n")
    assert reader.read() == [b"short", OversizedLine(11), b"next"]
    for _ in range(100):
        os.write(writes, b"y" * 1000)
        assert reader.read() == []
    os.write(writes, b"\nafter\n" + b"z" * 12)
    assert reader.read() == [OversizedLine(100_000), b"after"]
    os.close(writes)
    assert reader.read() == [OversizedLine(12)]
