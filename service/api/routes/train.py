"""POST /train, /evaluate and /batch: submission of jobs; GET /recipes: training recipes and their settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header
from pydantic import Field
from starlette.responses import Response

from core.errors import IdempotencyConflictError, IdempotencyInFlightError
from core.jobs.parameters import BatchParameters, EvaluateParameters, TrainParameters
from core.recipes import RECIPES, RecipeConfig
from core.schemas.jobs import JobAccepted, Recipe, RecipeList
from core.text_pattern import TextPattern
from service.api.common.job_responses import BROKER_ERRORS, job_accepted, job_path
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, VERSION_ERRORS, success
from service.api.deps import CALLER_ERRORS, CatalogDep, JobsCaller, JobServiceDep, StateDep
from service.api.examples import load_example
from service.errors import (
    DatasetMissingError,
    PrecisionNotPublishedError,
    ResultsFullError,
    ScopeRequiredError,
    TooManyQueuedJobsError,
    TrainingNotReadyError,
    responses,
)
from service.jobs.service import JobService
from service.jobs.validation import check_batch, check_evaluation, check_training
from service.observability.logging import RequestContext
from service.security.caller import Caller

router = APIRouter(tags=["jobs"])

RECIPE_LIST = RecipeList(
    recipes=tuple(
        Recipe(name=name, description=getdoc(make) or "", family=make().network.kind, config=make())
        for name, make in RECIPES.items()
    ),
    config_schema=RecipeConfig.model_json_schema(),
    parameters_schema=TrainParameters.model_json_schema(),
)

_ACCEPTED = load_example("job_accepted")

_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job is stored and will run even if processes die; `Location` is its URL",
        "headers": {"Location": {"schema": {"type": "string"}, "example": _ACCEPTED["links"]["job"]}},
        "content": {"application/json": {"example": _ACCEPTED}},
    },
    **responses(
        *CALLER_ERRORS,
        *BODY_ERRORS,
        *VERSION_ERRORS,
        *BROKER_ERRORS,
        IdempotencyInFlightError,
        IdempotencyConflictError,
        DatasetMissingError,
        TrainingNotReadyError,
        TooManyQueuedJobsError,
    ),
}

IdempotencyKey = Annotated[
    Annotated[
        str,
        Field(min_length=1, max_length=255),
        TextPattern(
            r"^[\x21-\x7e]+$", "an idempotency key has 1 to 255 ASCII characters without spaces, such as a UUID"
        ),
    ]
    | None,
    Header(
        alias="Idempotency-Key",
        description="text chosen by the client; a repeated request with the same key does not create a second job",
    ),
]


Parameters = TypeVar("Parameters", TrainParameters, EvaluateParameters, BatchParameters)


@dataclass(frozen=True)
class Submission:
    """Caller, context and job service of one submission; `root` is DUET_ROOT_PATH."""

    jobs: JobService
    caller: Caller
    context: RequestContext
    idempotency_key: str | None
    root: str

    async def answer(
        self, parameters: Parameters, check: Callable[[Parameters], Parameters], response: Response
    ) -> JobAccepted:
        """Store the job and return its links; `check` raises if it could not run, and returns what to record."""

        def check_all() -> Parameters:
            checked = check(parameters)
            self.jobs.require_data(parameters.data)
            return checked

        record = await self.jobs.call(
            lambda: self.jobs.submit(
                parameters,
                self.context,
                caller=self.caller,
                idempotency_key=self.idempotency_key,
                check=check_all,
            ),
            self.context.deadline,
        )
        response.headers["Location"] = job_path(record.id, self.root)
        return job_accepted(record, self.root)


async def _submission(
    state: StateDep, caller: JobsCaller, jobs: JobServiceDep, idempotency_key: IdempotencyKey = None
) -> Submission:
    # Scoped by caller: two callers may choose the same key.
    own_key = None if idempotency_key is None else f"{caller.key_id} {idempotency_key}"
    return Submission(jobs, caller, state["context"], own_key, state["settings"].root_path)


SubmissionDep = Annotated[Submission, Depends(_submission)]


@router.post(
    "/train",
    status_code=202,
    responses=_RESPONSES,
    openapi_extra=json_body(TrainParameters, load_example("train_request")),
)
async def train(
    response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep, state: StateDep
) -> JobAccepted:
    """Train a version from a recipe and publish it; `promote` decides whether it becomes champion.

    GET /recipes lists the recipes and their settings, which `overrides` can change. The request is checked before the
    job is stored. `"promote": "always"` skips the gate and needs a key with scope admin.
    """
    parameters = read_body(TrainParameters, body)
    if parameters.promote == "always" and "admin" not in submission.caller.scopes:
        raise ScopeRequiredError("admin", submission.caller.scopes)
    home = state["settings"].home
    return await submission.answer(parameters, lambda given: check_training(given, catalog, home), response)


@router.post(
    "/evaluate",
    status_code=202,
    responses=_RESPONSES,
    openapi_extra=json_body(EvaluateParameters, load_example("evaluate_request")),
)
async def evaluate(
    response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep, state: StateDep
) -> JobAccepted:
    """Evaluate versions, or all champions, on a data set. The versions do not change.

    The result is a record under GET /models/{model}/versions/{version}/evaluations.
    """
    parameters = read_body(EvaluateParameters, body)
    home = state["settings"].home
    return await submission.answer(parameters, lambda given: check_evaluation(given, catalog, home), response)


@router.post(
    "/batch",
    status_code=202,
    responses={**_RESPONSES, **responses(PrecisionNotPublishedError, ResultsFullError)},
    openapi_extra=json_body(BatchParameters, load_example("batch_request")),
)
async def batch(
    response: Response, submission: SubmissionDep, body: JsonBody, catalog: CatalogDep, state: StateDep
) -> JobAccepted:
    """Predict all images of a data set with one or several models, into a table for each.

    GET /jobs/{job_id}/result downloads a table. Files that cannot be read are rows with the reason. A job that was
    interrupted continues where it stopped.
    """
    parameters = read_body(BatchParameters, body)
    settings = state["settings"]
    return await submission.answer(parameters, lambda given: check_batch(given, catalog, settings), response)


@router.get(
    "/recipes",
    responses={
        **success(RECIPE_LIST.model_dump(mode="json"), "All recipes, and the schema of their settings"),
        **responses(),
    },
)
async def list_recipes() -> RecipeList:
    """List the recipes of POST /train with their settings; the schema has ranges, units and reasons."""
    return RECIPE_LIST
