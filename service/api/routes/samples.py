"""GET /samples: labelled test images for trying out the models."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from core.schemas.api import SampleCount
from service.api.common.openapi_bodies import success
from service.errors import InternalServiceError, InvalidParametersError, NoSuchSampleError, responses
from service.models.sample_images import Samples
from service.state import state_of

router = APIRouter(prefix="/samples", tags=["samples"])
_PNG_EXAMPLE = "\x89PNG..."
_EXAMPLE: Any = SampleCount(count=1000).model_dump(mode="json")


async def _samples(request: Request) -> Samples:
    return state_of(request)["samples"]


SamplesDep = Annotated[Samples, Depends(_samples)]
Index = Annotated[int, Path(ge=0, le=999_999_999, description="index of the image, from 0 to `count` - 1")]


@router.get("", responses={**success(_EXAMPLE, "Number of sample images"), **responses(InternalServiceError)})
def count_samples(samples: SamplesDep) -> SampleCount:
    """Return the number of sample images; 0 if no CIFAR-10 data set is available (see `DUET_DATA_DIR`)."""
    return SampleCount(count=samples.count())


@router.get(
    "/{index}",
    response_class=Response,
    responses={
        200: {
            "description": "The image in its original size",
            "headers": {
                "X-Duet-Label": {
                    "description": "label of the image, percent-encoded",
                    "schema": {"type": "string"},
                    "example": "dog",
                }
            },
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}, "example": _PNG_EXAMPLE}},
        },
        **responses(NoSuchSampleError, InvalidParametersError, InternalServiceError),
    },
)
def get_sample(index: Index, samples: SamplesDep) -> Response:
    """Return one test image, with its label in a header."""
    sample = samples.sample(index)
    if sample is None:
        raise NoSuchSampleError(index, samples.count())
    return Response(sample.png, media_type="image/png", headers={"X-Duet-Label": quote(sample.label)})
