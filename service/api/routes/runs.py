"""/runs: training runs from the command line, and the metrics of every run by epoch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from core.schemas.runs import RunDetail, RunList
from service.api.common.openapi import success
from service.api.deps import StateDep
from service.api.examples import load_example
from service.errors import InvalidParametersError, NoSuchRunError, responses
from service.jobs.runs import Runs

router = APIRouter(prefix="/runs", tags=["jobs"])
_RUN = load_example("run")
_SUMMARY = {name: value for name, value in _RUN.items() if name != "history"}

RunName = Annotated[str, Path(max_length=100, description="name of the run, or id of a training job")]


@router.get("", responses={**success({"runs": [_SUMMARY]}, "All runs, newest first"), **responses()})
def list_runs(state: StateDep) -> RunList:
    """List the trainings that were started with `duet train` or `duet repeat`. They are not jobs and cannot be changed.

    GET /jobs lists the training jobs.
    """
    return RunList(runs=_runs(state).list())


@router.get(
    "/{name}",
    responses={**success(_RUN, "The run with its metrics"), **responses(NoSuchRunError, InvalidParametersError)},
)
def get_run(name: RunName, state: StateDep) -> RunDetail:
    """Describe one run, from the command line or of a training job, with its metrics by epoch."""
    return _runs(state).read(name)


def _runs(state: StateDep) -> Runs:
    return Runs(state["settings"].home, state["repository"])
