"""GET /samples: labeled test images for trying out the models."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from core.schemas.api import SampleCount
from service.api.common.openapi import PNG, content, success
from service.api.deps import StateDep
from service.errors import InvalidParametersError, NoSuchSampleError, responses

router = APIRouter(prefix="/samples", tags=["samples"])
_EXAMPLE = SampleCount(count=1000).model_dump(mode="json")


Index = Annotated[int, Path(ge=0, le=999_999_999, description="index of the image, from 0 to `count` - 1")]


@router.get("", responses={**success(_EXAMPLE, "Number of sample images"), **responses()})
def count_samples(state: StateDep) -> SampleCount:
    """Return the number of sample images; 0 if no CIFAR-10 data set is available (see `DUET_DATA_DIR`)."""
    return SampleCount(count=state["samples"].count())


@router.get(
    "/{index}",
    response_class=Response,
    responses={
        **content(
            "The image in its original size", PNG, {"X-Duet-Label": ("label of the image, percent-encoded", "dog")}
        ),
        **responses(NoSuchSampleError, InvalidParametersError),
    },
)
def get_sample(index: Index, state: StateDep) -> Response:
    """Return one test image, with its label in a header."""
    samples = state["samples"]
    sample = samples.sample(index)
    if sample is None:
        raise NoSuchSampleError(index, samples.count())
    return Response(sample.png, media_type="image/png", headers={"X-Duet-Label": quote(sample.label)})
