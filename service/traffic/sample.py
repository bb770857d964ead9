"""Samples: answered requests that were chosen to be stored, and their conversion to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from service.engine.observer import AnsweredRequest, ModelAnswer
from service.traffic.record import Answer, CapturedRequest, Origin


class Sample(NamedTuple):
    """An answered request to be stored.

    Attributes:
        answered: the request.
        time: time of the answer, UTC.
        inclusion_probability: probability with which the request was chosen.
        origin: random capture or shadow trial.
        trial: id of the shadow trial.
        further: answers that the client did not get, such as those of a challenger.
        rows: images of the request to be stored; None for all.
    """

    answered: AnsweredRequest
    time: datetime
    inclusion_probability: float
    origin: Origin = "capture"
    trial: str | None = None
    further: Sequence[ModelAnswer] = ()
    rows: Sequence[int] | None = None

    @property
    def bytes(self) -> int:
        """Size of pictures and uploaded files in bytes."""
        return sum(image.nbytes for image in self.answered.images) + sum(map(len, self.answered.uploads))

    def records(self, other_families: Sequence[ModelAnswer] = ()) -> Iterator[CapturedRequest]:
        """One record per stored image, with the answers of other families if there are any."""
        request_id, route, images, uploads, answers = self.answered
        for row in range(len(images)) if self.rows is None else self.rows:
            yield CapturedRequest(
                request_id=request_id,
                index=row,
                images=len(images),
                time=self.time,
                route=route,
                inclusion_probability=self.inclusion_probability,
                image=images[row],
                answers=(
                    *(Answer.of(each, row) for each in answers),
                    *(Answer.of(each, row, in_response=False) for each in (*self.further, *other_families)),
                ),
                upload=uploads[row] if uploads else None,
                origin=self.origin,
                trial=self.trial,
            )
