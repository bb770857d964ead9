"""POST /compare: predictions of several models for one image, optionally with explanations."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import orjson
from fastapi import APIRouter, Query
from pydantic import Field, field_validator, model_validator
from starlette.requests import Request
from starlette.responses import Response

from core.repository.manifest import Precision
from core.schemas.api import CompareResponse
from core.tracing.spans import traced
from service.api.common.content_negotiation import preferred
from service.api.common.explanation_response import explanation_facts, panels, with_values
from service.api.common.image_queries import METHOD_NAMES, CropQuery, ExplanationQuery, named_methods, read_image
from service.api.common.openapi import EXPLANATION_ERRORS, IMAGE_ERRORS, PNG, content, image_body
from service.api.deps import OPTIONAL_KEY, check_evaluations
from service.api.examples import load_example
from service.engine.decoder import Upload
from service.engine.loaded_model import ModelVariant
from service.engine.results import Comparison, Timings
from service.errors import InvalidParametersError, PrecisionNotPublishedError, responses
from service.http.fast_routes import FastJsonResponse, FastRoute
from service.http.request_body import DisconnectWatcher
from service.models.catalog import ModelRef
from service.observability.logging import RequestContext
from service.saliency.explainer import Explanation, class_index, fitting_gradients
from service.saliency.methods import MethodName, Parameters, count_evaluations
from service.saliency.render import Layout, comparison_picture, picture
from service.state import RequestState, state_of

router = APIRouter(tags=["predict"], route_class=FastRoute)
MAX_MODELS = 8
ComparisonFormat = Literal["json", "png"]
COMPARISON_TYPES: dict[str, ComparisonFormat] = {"application/json": "json", "image/png": "png"}
_ONLY_EXPLAINED = {*ExplanationQuery.model_fields, "format"} - set(CropQuery.model_fields)
_HEADERS = {
    "X-Duet-Agree": ("`agree` of the JSON response", "false"),
    "X-Duet-Divergence": ("`divergence` of the JSON response", "0.214"),
    "X-Duet-Saliency": (
        "`saliency` of the JSON response, without arrays",
        '[{"model": "mlp", "version": 2}]',
    ),
}

_SUCCESS = content(
    "The prediction of each model; PNG responses have the headers",
    {
        "application/json": {
            "examples": {
                "plain": {"value": load_example("compare")},
                "explained": {"value": load_example("compare_explained")},
            }
        },
        **PNG,
    },
    _HEADERS,
)


class CompareQuery(ExplanationQuery):
    """Models, level of detail, and optional explanations."""

    models: str = Field("mlp,cnn", max_length=512, description="two or more, such as `mlp,cnn` or `cnn@1,cnn@2`")
    precision: Precision | None = Field(None, description="fp32, bf16 or int8; default: as configured in the service")
    top_k: int = Field(3, ge=1, le=1000, description="number of classes to list per model")
    saliency: str | None = Field(
        None, max_length=512, description=f"explain each prediction by one or more of {', '.join(METHOD_NAMES)}"
    )
    format: ComparisonFormat | None = Field(
        None, description="with `saliency`: json, or png for one image; default: selected by the Accept header"
    )

    @field_validator("models")
    @classmethod
    def _check_references(cls, models: str) -> str:
        count = len([ModelRef.parse(part) for part in models.split(",")])
        if not 2 <= count <= MAX_MODELS:
            raise ValueError(f"name 2 to {MAX_MODELS} models, separated by commas, not {count}")
        return models

    @field_validator("saliency")
    @classmethod
    def _check_methods(cls, saliency: str | None) -> str | None:
        if saliency is not None:
            named_methods(saliency)
        return saliency

    @model_validator(mode="after")
    def _check_explanation_parameters(self) -> Self:
        if self.saliency is None:
            unused = self.model_fields_set & _ONLY_EXPLAINED
            if unused:
                # A ValueError of a model validator would not name the parameter.
                raise InvalidParametersError([(name, "only together with `saliency`") for name in sorted(unused)])
        return self

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The explanation methods in order; empty without explanations."""
        return () if self.saliency is None else named_methods(self.saliency)

    @property
    def references(self) -> list[ModelRef]:
        """The models in order."""
        return [ModelRef.parse(part) for part in self.models.split(",")]


@router.post(
    "/compare",
    response_model=CompareResponse,
    responses={**_SUCCESS, **responses(*IMAGE_ERRORS, PrecisionNotPublishedError, *EXPLANATION_ERRORS)},
    openapi_extra={**image_body(many=False), **OPTIONAL_KEY},
)
async def compare(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
    """Compare the predictions of both families, or of any versions, for one image.

    With `saliency`, the response also has saliency maps of all models: JSON with an image per model as a `data:` URL,
    or one PNG image with a row per method, which shows the image and the map of each model. Without `target`, the
    predicted class of each model is explained.
    """
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    versions = [
        await engine.admit(
            reference.family,
            reference.version,
            query.precision,
            deadline=context.deadline,
            caller=state["caller"].id,
        )
        for reference in query.references
    ]
    if query.methods:
        return await _compare_explained(request, query, versions)
    upload = await read_image(request)
    with closing(DisconnectWatcher(request.scope, request.receive)) as client:
        comparison, timings = await _predictions(state, query, versions, upload, client)
    return FastJsonResponse(
        {
            "predictions": comparison.predictions,
            "agree": comparison.agree,
            "divergence": comparison.divergence,
            "timing_ms": timings.milliseconds(context.started),
            "request_id": context.id,
        }
    )


async def _predictions(
    state: RequestState, query: CompareQuery, versions: list[ModelVariant], upload: Upload, client: DisconnectWatcher
) -> tuple[Comparison, Timings]:
    context = state["context"]
    return await state["engine"].compare(
        versions,
        upload,
        top_k=query.top_k,
        begun=context.started,
        deadline=context.deadline,
        client=client,
        crop=query.part,
        request_id=context.id,
    )


async def _compare_explained(request: Request, query: CompareQuery, versions: list[ModelVariant]) -> Response:
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    explainer = state["explainer"]
    form = query.format or preferred(request.headers, COMPARISON_TYPES)
    exact = [await engine.loaded(each.family, each.version, "fp32", deadline=context.deadline) for each in versions]
    targets = [None if query.target is None else class_index(query.target, each.labels) for each in versions]
    parameters = [query.parameters(*each.size) for each in versions]
    evaluations = [
        count_evaluations(query.methods, parameter_set, *served.size)
        for served, parameter_set in zip(exact, parameters, strict=True)
    ]
    await check_evaluations(request, sum(evaluations))
    explainer.check_capacity()
    upload = await read_image(request)
    client = DisconnectWatcher(request.scope, request.receive)

    async def explained() -> Response:
        await fitting_gradients(exact, query.methods)
        comparison, timings = await _predictions(state, query, versions, upload, client)
        explanations = [
            await explainer.explain(served, image.pixels_HWC, query.methods, parameter_set, target)
            for served, image, parameter_set, target in zip(exact, comparison.images, parameters, targets, strict=True)
        ]
        renders = [CompareRender(*each) for each in zip(exact, explanations, parameters, strict=True)]
        work = explainer.in_background(lambda: _rendered(comparison, timings, renders, form, query.layout, context))
        return await traced("postprocess", work)

    with closing(client):
        return await explainer.run_until(explained, context.deadline, client)


@dataclass(frozen=True)
class CompareRender:
    """Explanation of one model and its parameters."""

    served: ModelVariant
    explanation: Explanation
    parameters: Parameters


def _rendered(
    comparison: Comparison,
    timings: Timings,
    renders: Sequence[CompareRender],
    form: ComparisonFormat,
    layout: Layout,
    context: RequestContext,
) -> Response:
    """Render the response; blocks while images are drawn."""
    if form == "png":
        images = [each.explanation.subject.image_HWC for each in renders]
        body = comparison_picture(images, [panels(each.explanation) for each in renders], layout)
        headers = {
            "X-Duet-Agree": str(comparison.agree).lower(),
            "X-Duet-Divergence": str(comparison.divergence),
            "X-Duet-Saliency": json.dumps([_facts(each) for each in renders]),
            "Vary": "Accept",
        }
        return Response(body, headers=headers, media_type="image/png")
    document = {
        "predictions": comparison.predictions,
        "agree": comparison.agree,
        "divergence": comparison.divergence,
        "saliency": [_explained(each, layout) for each in renders],
        "timing_ms": _with_explanations(timings, renders).milliseconds(context.started),
        "request_id": context.id,
    }
    body = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers={"Vary": "Accept"}, media_type="application/json")


def _explained(render: CompareRender, layout: Layout) -> dict[str, Any]:
    facts, explanation = _facts(render), render.explanation
    png = picture(explanation.subject.image_HWC, panels(explanation), layout)
    return {
        **facts,
        "maps": with_values(facts["maps"], explanation),
        "picture": f"data:image/png;base64,{b64encode(png).decode()}",
    }


def _with_explanations(timings: Timings, renders: Sequence[CompareRender]) -> Timings:
    return Timings(
        timings.decode,
        timings.queue + sum(each.explanation.queue_seconds for each in renders),
        timings.inference + sum(each.explanation.run_seconds for each in renders),
    )


def _facts(render: CompareRender) -> dict[str, Any]:
    return explanation_facts(render.explanation, render.served, render.parameters)
