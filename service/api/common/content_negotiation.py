"""Content negotiation: selects the media type of a response by the Accept header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from starlette.datastructures import Headers

from service.errors import NotAcceptableError

Form = TypeVar("Form", bound=str)


def preferred(headers: Headers, offered: Mapping[str, Form]) -> Form:
    """The offered form with the highest weight in the Accept header (RFC 9110, section 12.5.1); the first on a tie.

    Args:
        headers: headers of the request; several Accept headers are combined, an empty one is ignored.
        offered: forms by media type.

    Raises:
        NotAcceptableError: the client accepts none of the media types.
    """
    accept = ", ".join(filter(None, headers.getlist("accept"))) or "*/*"
    weights = {media_type: _weight(accept, media_type) for media_type in offered}
    best = max(weights, key=lambda media_type: weights[media_type])
    if weights[best] <= 0:
        raise NotAcceptableError(accept, list(offered))
    return offered[best]


def _weight(accept: str, media_type: str) -> float:
    """Weight of the most specific range that matches the media type; 0 if none matches."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    best, weight = len(ranges), 0.0
    for part in accept.lower().split(","):
        name, *options = (piece.strip() for piece in part.split(";"))
        if name in ranges[:best]:
            best, weight = ranges.index(name), _quality(options)
    return weight


def _quality(options: list[str]) -> float:
    values = [option.removeprefix("q=") for option in options if option.startswith("q=")]
    try:
        return min(1.0, max(0.0, float(values[0]))) if values else 1.0
    except ValueError:
        return 0.0
