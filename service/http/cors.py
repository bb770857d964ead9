"""Cross-origin resource sharing (CORS): lets pages of configured origins call the API.

Responses allow no credentials: pages of other origins send a key in a header and cannot use the session cookie. See
https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

ANY_ORIGIN = "*"
_METHODS = b"GET, HEAD, POST, DELETE"
_REQUEST_HEADERS = (
    b"Authorization, Content-Type, Content-Encoding, Idempotency-Key, Inference-Header-Content-Length, Last-Event-ID, "
    b"traceparent, X-API-Key, X-Request-ID"
)
_RESPONSE_HEADERS = (
    b"Allow, Inference-Header-Content-Length, Location, Retry-After, traceparent, X-Request-ID, X-Duet-Agree, "
    b"X-Duet-Divergence, X-Duet-Label, X-Duet-Maps, X-Duet-Model, X-Duet-Next-Offset, X-Duet-Notes, X-Duet-Predicted, "
    b"X-Duet-Saliency, X-Duet-Target, X-Duet-Target-Facts"
)
_MAX_AGE_SECONDS = 600
_VARY = (b"vary", b"Origin")


class CrossOriginAccess:
    """Response headers for requests of pages of other origins.

    Args:
        origins: such as `https://pages.example.org`; `*` for all.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, request_headers: Iterable[Header]) -> list[Header]:
        """Headers of the response to a request with these headers."""
        origin = _header(request_headers, b"origin")
        if origin is None or not (origin in self._origins or ANY_ORIGIN.encode() in self._origins):
            return [_VARY]  # for caches, which would otherwise send this response to other origins
        return [
            _VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _RESPONSE_HEADERS),
        ]

    def preflight_headers(self, request_headers: Iterable[Header]) -> list[Header] | None:
        """Headers of the response to a preflight request, to be added to `headers`; None if it is none."""
        if _header(request_headers, b"access-control-request-method") is None:
            return None
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", b"%d" % _MAX_AGE_SECONDS),
        ]


def _header(headers: Iterable[Header], wanted: bytes) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)
