"""Label methods of the client: feedback, labelling of captured pictures, and export of labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.schemas.labels import FeedbackResult, LabelAction, LabellingResult, LabellingSummary, NextTask
from duet.client.connection import Methods, drop_none

_BATCH = 200
"""Number of labels per request; the body of a request is limited to 64 KiB."""


class LabelMethods(Methods):
    """Label methods of `Client`; they need a key with scope jobs, `feedback` one with scope feedback."""

    def feedback(self, labels: Mapping[str, str | None]) -> FeedbackResult:
        """Send true classes of captured images; sending them again changes nothing, another class is a correction.

        Args:
            labels: true class by request id, or by `<request id>~<index>` for an image of a request with several; None
                for "none of the classes".
        """
        items = [{"id": record, "label": label} for record, label in labels.items()]
        results = [
            self._connection.post("/feedback", FeedbackResult, json={"labels": items[start : start + _BATCH]})
            for start in range(0, len(items), _BATCH)
        ]
        return FeedbackResult(
            stored=sum(each.stored for each in results),
            unchanged=sum(each.unchanged for each in results),
            unknown=tuple(record for each in results for record in each.unknown),
            new_classes=tuple(sorted({label for each in results for label in each.new_classes})),
        )

    def labels(self, *, history: bool = False) -> list[dict[str, Any]]:
        """Return the current labels of all captured images, oldest first; with `history` all label events."""
        response = self._connection.request("GET", "/feedback/export", params=drop_none({"history": history or None}))
        return [json.loads(line) for line in response.text.splitlines()]

    def labelling(self) -> LabellingSummary:
        """Return the number of waiting and labelled pictures, and the estimated accuracy of the live answers."""
        return self._connection.get("/labelling", LabellingSummary)

    def next_picture(self) -> NextTask:
        """Claim the next picture to label for ten minutes."""
        return self._connection.get("/labelling/next", NextTask)

    def label_picture(
        self, picture_id: str, action: LabelAction, *, label: str | None = None, claim: str | None = None
    ) -> LabellingResult:
        """Label a claimed picture, skip it, or undo the last action for it.

        Args:
            picture_id: `task.id` of `next_picture`.
            action: `label` with a class, `none` for none of the classes, `skip`, or `undo`, which needs no claim.
            label: the class.
            claim: `task.claim` of `next_picture`.
        """
        body = drop_none({"action": action, "label": label, "claim": claim})
        return self._connection.post(
            f"/labelling/{picture_id}", LabellingResult, repeatable=action != "undo", json=body
        )
