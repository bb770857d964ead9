"""Line reader for a non-blocking pipe, with a limit on the line length."""

from __future__ import annotations

import os
from dataclasses import dataclass

READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class OversizedLine:
    """Placeholder of a line that exceeds the limit; `bytes` is its length."""

    bytes: int


class LineReader:
    """Splits the data of a pipe, which becomes non-blocking, into lines of at most `limit` bytes."""

    def __init__(self, descriptor: int, *, limit: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._limit = limit
        self._rest = bytearray()
        self._dropped = 0
        self.ended = False
        """True if all writers have closed the pipe and all data was read."""

    def read(self) -> list[bytes | OversizedLine]:
        """Return the complete lines read so far; at the end of the pipe also a last line without newline."""
        try:
            piece = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return []
        if not piece:
            self.ended = True
            return self._finish() if self._rest or self._dropped else []
        lines: list[bytes | OversizedLine] = []
        *complete, rest = piece.split(b"\n")
        for part in complete:
            self._take(part)
            lines += self._finish()
        self._take(rest)
        return lines

    def _take(self, part: bytes) -> None:
        if self._dropped or len(self._rest) + len(part) > self._limit:
            self._dropped += len(self._rest) + len(part)
            self._rest.clear()
        else:
            self._rest += part

    def _finish(self) -> list[bytes | OversizedLine]:
        line = OversizedLine(self._dropped) if self._dropped else bytes(self._rest)
        self._rest.clear()
        self._dropped = 0
        return [line]
