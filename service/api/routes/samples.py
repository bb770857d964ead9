"""GET /samples: labeled test images for trying out the models, some of which ship."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from core.schemas.api import SampleCount
from service.api.common.openapi import PNG, content, success
from service.api.deps import StateDep
from service.errors import InvalidParametersError, NoSuchSampleError, responses
from service.models.sample_images import shipped_examples

router = APIRouter(prefix="/samples", tags=["samples"])
_EXAMPLE = SampleCount(count=1002, examples=("airplane", "automobile")).model_dump(mode="json")


Index = Annotated[int, Path(ge=0, le=999_999_999, description="index of the image, from 0 to `count` - 1")]


@router.get("", responses={**success(_EXAMPLE, "Number of sample images"), **responses()})
def count_samples(state: StateDep) -> SampleCount:
    """Return the number of sample images: those that ship, and 1,000 more if CIFAR-10 is in `DUET_DATA_DIR`."""
    return SampleCount(count=state["samples"].count(), examples=tuple(example.label for example in shipped_examples()))


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
