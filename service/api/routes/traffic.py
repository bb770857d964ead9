"""DELETE /traffic: deletion of captured requests by request id or by time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BeforeValidator

from core.schemas.traffic import TrafficDeletion
from service.api.common.openapi import success
from service.api.deps import CALLER_ERRORS, AdminCaller, StateDep
from service.api.examples import load_example
from service.datasets.uploads import storage_problem
from service.errors import HomeNotWritableError, InvalidParametersError, StorageFullError, responses
from service.traffic.deletion import ERASED_WITHIN_SECONDS, Deletion, Deletions
from service.traffic.record import traffic_folder

router = APIRouter(tags=["traffic"])
RequestId = Annotated[
    str | None,
    Query(max_length=128, description="request whose images are deleted; its id is in the response and its header"),
]


def _not_a_number(value: Any) -> Any:
    """Refuse seconds since 1970, which pydantic reads as a time: a number is more likely a mistake than a time."""
    try:
        float(value)
    except (TypeError, ValueError):
        return value
    raise ValueError("write a time such as 2026-01-02T00:00:00Z")


Time = Annotated[AwareDatetime, BeforeValidator(_not_a_number)]
After = Annotated[
    Time | None, Query(description="begin of the time to delete, inclusive, such as 2026-01-02T00:00:00Z")
]
Before = Annotated[Time | None, Query(description="end of the time to delete, exclusive; default: now")]


@router.delete(
    "/traffic",
    responses={
        **success(load_example("traffic_deletion"), "The captured requests are hidden, and will be erased"),
        **responses(InvalidParametersError, StorageFullError, HomeNotWritableError, *CALLER_ERRORS),
    },
)
async def delete_traffic(
    state: StateDep, caller: AdminCaller, request_id: RequestId = None, after: After = None, before: Before = None
) -> TrafficDeletion:
    """Delete captured requests: one by its id, or all of a time. Deleting again, or nothing, is not an error.

    The requests are hidden from all pages at once, and leave the live figures within seconds. Their bytes on disk are
    overwritten later, at the latest at `erased_by`.
    """
    now = time.time()
    if (request_id is None) == (after is None and before is None):
        raise InvalidParametersError([("request_id", "give either a request id, or the time by `after` and `before`")])
    if request_id is None and before is None:
        before = datetime.fromtimestamp(now, UTC)
    home = state["settings"].home
    deletion = Deletion(
        request_id=request_id, after=after and after.timestamp(), before=before and before.timestamp(), made=now
    )
    # A request may be in memory although the folder does not exist yet.
    stores = state["capture"] is not None or state["shadow"].is_running
    if stores or await asyncio.to_thread(traffic_folder(home).is_dir):
        try:
            await asyncio.to_thread(Deletions(home).add, deletion)
        except OSError as error:
            raise storage_problem(error) from error
    return TrafficDeletion(
        request_id=request_id,
        after=after,
        before=before,
        erased_by=datetime.fromtimestamp(now + ERASED_WITHIN_SECONDS, UTC),
    )
