"""Signatures of archives other than zip, which are rejected by name instead of as damaged images."""

from __future__ import annotations

from pathlib import Path

_SIGNATURES = (
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
)


def other_archive(path: Path) -> str | None:
    """Media type of an archive that is not a zip; None for other files."""
    with path.open("rb") as stream:
        start = stream.read(512)
    return next((kind for offset, signature, kind in _SIGNATURES if start.startswith(signature, offset)), None)
