"""Static assets of the pages, read once and addressed by a content digest."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""Suffix -> media type; files with other suffixes, such as licenses, are not served."""

_COMPRESSED_ALREADY = frozenset({".woff2"})
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Asset:
    """A static file."""

    body: bytes
    media_type: str
    compressible: bool = True

    @cached_property
    def etag(self) -> str:
        """ETag header: digest of the content."""
        return f'"{sha256(self.body).hexdigest()[:_DIGEST_LENGTH]}"'

    @cached_property
    def gzipped(self) -> bytes | None:
        """Compressed body, created on first use; None if the file is already compressed."""
        return gzip.compress(self.body, compresslevel=9, mtime=0) if self.compressible else None


@dataclass(frozen=True)
class Assets:
    """All files under one digest, so that relative imports work and browsers cache the files permanently.

    Attributes:
        digest: of all names and contents; part of every URL.
        files: by path relative to the folder, such as `js/api.js`.
    """

    digest: str
    files: Mapping[str, Asset]


def read_assets(folder: Path) -> Assets:
    """Read every file with a suffix in MEDIA_TYPES."""
    digest, files = sha256(), {}
    for path in sorted(folder.rglob("*")):
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None:
            continue
        name, body = path.relative_to(folder).as_posix(), path.read_bytes()
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(body), body))
        files[name] = Asset(body, media_type, compressible=path.suffix not in _COMPRESSED_ALREADY)
    return Assets(digest.hexdigest()[:_DIGEST_LENGTH], files)
