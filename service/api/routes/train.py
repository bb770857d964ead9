"""POST /train: training of a new version from a recipe, as a job."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.jobs.parameters import TrainParameters
from core.schemas.jobs import JobAccepted
from service.api.common.job_submission import SUBMISSION_RESPONSES, JsonBody, SubmissionDep, json_body, read_body
from service.api.deps import CatalogDep
from service.api.examples import load_example
from service.errors import ScopeRequiredError
from service.jobs.validation import check_training
from service.state import state_of

router = APIRouter(tags=["jobs"])


@router.post(
    "/train",
    status_code=202,
    responses=SUBMISSION_RESPONSES,
    openapi_extra=json_body(TrainParameters, load_example("train_request")),
)
async def train(
    request: Request, response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep
) -> JobAccepted:
    """Train a version from a recipe and publish it; `promote` decides whether it becomes champion.

    GET /recipes lists the recipes and their settings, which `overrides` can change. The request is checked before the
    job is stored. `"promote": "always"` skips the gate and needs a key with scope admin.
    """
    parameters = read_body(TrainParameters, body)
    if parameters.promote == "always" and "admin" not in submission.caller.scopes:
        raise ScopeRequiredError("admin", submission.caller.scopes)
    home = state_of(request)["settings"].home
    return await submission.answer(parameters, lambda: check_training(parameters, catalog, home), response)
