"""POST /compare: predictions of several models for one image."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import Field, field_validator, model_validator
from starlette.requests import Request
from starlette.responses import Response

from core.repository.manifest import Precision
from core.schemas.api import CompareResponse
from service.api.common.content_negotiation import preferred
from service.api.common.crop_query import CropQuery
from service.api.common.explanation_query import METHOD_NAMES, ExplanationQuery, named_methods
from service.api.common.openapi_bodies import EXPLANATION_ERRORS, IMAGE_ERRORS, image_body
from service.api.examples import load_example
from service.api.responses.compare import COMPARISON_TYPES, CompareRender, ComparisonFormat, rendered_comparison
from service.engine.loaded_model import ModelVariant
from service.errors import InvalidParametersError, responses
from service.http.fast_routes import FastJsonResponse, FastRoute
from service.http.request_body import DisconnectWatcher
from service.models.catalog import ModelRef
from service.saliency.explainer import class_index, fitting_gradients
from service.saliency.methods import MethodName
from service.state import state_of

router = APIRouter(tags=["predict"], route_class=FastRoute)
MAX_MODELS = 8
_ONLY_EXPLAINED = {*ExplanationQuery.model_fields, "format"} - set(CropQuery.model_fields)
_HEADERS = {
    "X-Duet-Agree": ("`agree` of the JSON response", "false"),
    "X-Duet-Divergence": ("`divergence` of the JSON response", "0.214"),
    "X-Duet-Saliency": (
        "`saliency` of the JSON response, without arrays",
        '[{"model": "mlp", "version": 2}]',
    ),
}

_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The prediction of each model; PNG responses have the headers",
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name, (description, example) in _HEADERS.items()
        },
        "content": {
            "application/json": {
                "examples": {
                    "plain": {"value": load_example("compare")},
                    "explained": {"value": load_example("compare_explained")},
                }
            },
            "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "\x89PNG..."},
        },
    }
}


class CompareQuery(ExplanationQuery):
    """Models, level of detail, and optional explanations."""

    models: str = Field("mlp,cnn", max_length=512, description="two or more, such as `mlp,cnn` or `cnn@1,cnn@2`")
    precision: Precision | None = Field(None, description="fp32 or int8; default: as configured in the service")
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
    responses={**_SUCCESS, **responses(*IMAGE_ERRORS, *EXPLANATION_ERRORS)},
    openapi_extra=image_body(many=False),
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
        await engine.admit(reference.family, reference.version, query.precision, deadline=context.deadline)
        for reference in query.references
    ]
    if query.methods:
        return await _explained(request, query, versions)
    [upload] = await state["body_reader"].read(
        request.scope["headers"], request.receive, deadline=context.deadline, max_files=1
    )
    connection = DisconnectWatcher(request.scope, request.receive)
    try:
        comparison, timings = await engine.compare(
            versions,
            upload,
            top_k=query.top_k,
            begun=context.started,
            deadline=context.deadline,
            client=connection,
            crop=query.part,
        )
    finally:
        connection.close()
    return FastJsonResponse(
        {
            "predictions": comparison.predictions,
            "agree": comparison.agree,
            "divergence": comparison.divergence,
            "timing_ms": timings.milliseconds(context.started),
            "request_id": context.id,
        }
    )


async def _explained(request: Request, query: CompareQuery, versions: list[ModelVariant]) -> Response:
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    explainer = state["explainer"]
    form = query.format or preferred(request.headers, COMPARISON_TYPES)
    exact = [await engine.loaded(each.family, each.version, "fp32", deadline=context.deadline) for each in versions]
    targets = [None if query.target is None else class_index(query.target, each.labels) for each in versions]
    parameters = [query.parameters(*each.size) for each in versions]
    explainer.check_capacity()
    read = state["body_reader"].read
    [upload] = await read(request.scope["headers"], request.receive, deadline=context.deadline, max_files=1)
    connection = DisconnectWatcher(request.scope, request.receive)

    async def explained() -> Response:
        await fitting_gradients(exact, query.methods)
        comparison, timings = await engine.compare(
            versions,
            upload,
            top_k=query.top_k,
            begun=context.started,
            deadline=context.deadline,
            client=connection,
            crop=query.part,
        )
        explanations = [
            await explainer.explain(served, image.pixels_HWC, query.methods, parameter_set, target)
            for served, image, parameter_set, target in zip(exact, comparison.images, parameters, targets, strict=True)
        ]
        renders = [CompareRender(*each) for each in zip(exact, explanations, parameters, strict=True)]
        return await explainer.in_background(
            lambda: rendered_comparison(comparison, timings, renders, form, query.layout, context)
        )

    try:
        return await explainer.run_until(explained, context.deadline, connection)
    finally:
        connection.close()
