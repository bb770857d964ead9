"""POST /evaluate: published versions on a data set, as a job."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.jobs.parameters import EvaluateParameters
from core.schemas.jobs import JobAccepted
from service.api.common.job_submission import SUBMISSION_RESPONSES, JsonBody, SubmissionDep, json_body, read_body
from service.api.deps import CatalogDep
from service.api.examples.jobs import EVALUATE_REQUEST
from service.jobs.validation import check_evaluation

router = APIRouter(tags=["jobs"])


@router.post(
    "/evaluate",
    status_code=202,
    responses=SUBMISSION_RESPONSES,
    openapi_extra=json_body(EvaluateParameters, EVALUATE_REQUEST),
)
async def evaluate(
    request: Request, response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep
) -> JobAccepted:
    """Evaluate versions, or all champions, on a data set; the versions themselves never change.

    The result is a record under GET /models/{model}/versions/{version}/evaluations.
    """
    parameters = read_body(EvaluateParameters, body)
    home = request.state.settings.home
    return await submission.answer(parameters, lambda: check_evaluation(parameters, catalog, home), response)
