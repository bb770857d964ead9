"""POST /train: a new version, from a recipe, as a job."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.jobs.parameters import TrainParameters
from core.schemas.jobs import JobAccepted
from service.api.common.job_submission import SUBMISSION_RESPONSES, JsonBody, SubmissionDep, json_body, read_body
from service.api.deps import CatalogDep
from service.api.examples.jobs import TRAIN_REQUEST
from service.errors import ScopeRequiredError
from service.jobs.validation import check_training

router = APIRouter(tags=["jobs"])


@router.post(
    "/train", status_code=202, responses=SUBMISSION_RESPONSES, openapi_extra=json_body(TrainParameters, TRAIN_REQUEST)
)
async def train(
    request: Request, response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep
) -> JobAccepted:
    """Train a version from a recipe and publish it; it becomes champion only as `promote` says.

    GET /recipes has the recipes with their settings, any of which `overrides` may change. Everything is checked before
    the job is recorded, so that what is accepted can run. `"promote": "always"` moves the champion past the gate, and
    so needs a key of scope admin.
    """
    parameters = read_body(TrainParameters, body)
    if parameters.promote == "always" and "admin" not in submission.caller.scopes:
        raise ScopeRequiredError("admin", submission.caller.scopes)
    home = request.state.settings.home
    return await submission.answer(parameters, lambda: check_training(parameters, catalog, home), response)
