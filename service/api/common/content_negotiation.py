"""Which media type a client likes best, of those that a route can make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from starlette.datastructures import Headers

from service.errors import NotAcceptableError

Form = TypeVar("Form", bound=str)


def preferred(headers: Headers, offered: Mapping[str, Form]) -> Form:
    """The best of what is offered by the header Accept (RFC 9110, section 12.5.1); the first where it is all the same.

    Args:
        headers: of the request; several lines of Accept count as one list, and an empty one as none.
        offered: by media type.

    Raises:
        NotAcceptableError: none of them is accepted.
    """
    accept = ", ".join(filter(None, headers.getlist("accept"))) or "*/*"
    weights = {media_type: _weight(accept, media_type) for media_type in offered}
    best = max(weights, key=lambda media_type: weights[media_type])
    if weights[best] <= 0:
        raise NotAcceptableError(accept, list(offered))
    return offered[best]


def _weight(accept: str, media_type: str) -> float:
    """The weight of the most specific range that holds the media type; 0 where none does."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    best, weight = len(ranges), 0.0
    for part in accept.lower().split(","):
        name, *options = (piece.strip() for piece in part.split(";"))
        if name in ranges[:best]:
            best, weight = ranges.index(name), _quality(options)
    return weight


def _quality(options: list[str]) -> float:
    stated = [option.removeprefix("q=") for option in options if option.startswith("q=")]
    try:
        return min(1.0, max(0.0, float(stated[0]))) if stated else 1.0
    except ValueError:
        return 0.0
