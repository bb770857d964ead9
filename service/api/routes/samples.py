"""GET /samples: test images at hand, for who wants to try the models and has no picture."""

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

router = APIRouter(prefix="/samples", tags=["samples"])
_PNG_EXAMPLE = "\x89PNG..."
_EXAMPLE: Any = SampleCount(count=1000).model_dump(mode="json")


async def _samples(request: Request) -> Samples:
    samples: Samples = request.state.samples
    return samples


SamplesDep = Annotated[Samples, Depends(_samples)]
Index = Annotated[int, Path(ge=0, le=999_999_999, description="from 0 to one less than `count`")]


@router.get("", responses={**success(_EXAMPLE, "How many there are"), **responses(InternalServiceError)})
def count_samples(samples: SamplesDep) -> SampleCount:
    """Say how many test images are at hand; none where `DUET_DATA_DIR` holds no data set that is read here."""
    return SampleCount(count=samples.count())


@router.get(
    "/{index}",
    response_class=Response,
    responses={
        200: {
            "description": "The picture at its own size",
            "headers": {
                "X-Duet-Label": {
                    "description": "what it shows, percent-encoded",
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
    """Give one test image, with what it really shows in a header."""
    sample = samples.sample(index)
    if sample is None:
        raise NoSuchSampleError(index, samples.count())
    return Response(sample.png, media_type="image/png", headers={"X-Duet-Label": quote(sample.label)})
