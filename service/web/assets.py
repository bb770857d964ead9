"""Scripts, styles, fonts and pictures of the pages, read once, addressed by what they hold."""

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
"""By the end of the name; a file of another kind, such as a license, is not served."""

_COMPRESSED_ALREADY = frozenset({".woff2"})
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    body: bytes
    media_type: str
    compressible: bool = True

    @cached_property
    def etag(self) -> str:
        """Names the content, as a header has it."""
        return f'"{sha256(self.body).hexdigest()[:_DIGEST_LENGTH]}"'

    @cached_property
    def gzipped(self) -> bytes | None:
        """The body compressed, made when first asked for; None where that would gain nothing."""
        return gzip.compress(self.body, compresslevel=9, mtime=0) if self.compressible else None


@dataclass(frozen=True)
class Assets:
    """All files under one digest, so that modules import each other by relative paths and are cached for good.

    Attributes:
        digest: of all names and contents; part of every address.
        files: by path below the folder, such as `js/api.js`.
    """

    digest: str
    files: Mapping[str, Asset]


def read_assets(folder: Path) -> Assets:
    """Read every file of a kind that is served."""
    digest, files = sha256(), {}
    for path in sorted(folder.rglob("*")):
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None:
            continue
        name, body = path.relative_to(folder).as_posix(), path.read_bytes()
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(body), body))
        files[name] = Asset(body, media_type, compressible=path.suffix not in _COMPRESSED_ALREADY)
    return Assets(digest.hexdigest()[:_DIGEST_LENGTH], files)
