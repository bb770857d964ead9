"""HTTP responses of pages and assets: security headers, caching and compression."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response

from service.web.assets import Asset

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
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
REFERENCE_HEADERS = SECURITY_HEADERS | {"Content-Security-Policy": _POLICY}
"""Headers of the API reference, whose library creates markup from sanitized strings."""

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


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
