"""Assets of the pages: read once, addressed by a digest, sent with security headers, caching and compression."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""Suffix -> media type; files with other suffixes, such as licenses, are not served."""

_COMPRESSED_ALREADY = frozenset({".woff2"})
_DIGEST_LENGTH = 12

_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# Scripts must not create markup from strings: file names and labels stay text.
_NO_MARKUP = "require-trusted-types-for 'script'; trusted-types 'none'"

SECURITY_HEADERS = {
    "Content-Security-Policy": f"{_POLICY}; {_NO_MARKUP}",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
REFERENCE_HEADERS = SECURITY_HEADERS | {"Content-Security-Policy": _POLICY}
"""Headers of the API reference, whose library creates markup from sanitized strings."""

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


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


def answer(asset: Asset, asked: Headers, *, caching: str, headers: dict[str, str]) -> Response:
    """The asset, or 304 if the browser has it.

    Args:
        asset: requested asset.
        asked: headers of the request.
        caching: the header Cache-Control.
        headers: further headers.
    """
    headers = {**headers, "Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if _accepts_gzip(asked) and asset.gzipped is not None:
        return Response(asset.gzipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


def _accepts_gzip(asked: Headers) -> bool:
    codings = [[piece.strip() for piece in part.split(";")] for part in asked.get("accept-encoding", "").split(",")]
    return any(name == "gzip" and "q=0" not in weight for name, *weight in codings)
