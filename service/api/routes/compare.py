"""POST /compare: several models on the same picture."""

from __future__ import annotations

from typing import Annotated, Self

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
from service.api.examples.compare import COMPARE_SUCCESS
from service.api.responses.compare import COMPARISON_TYPES, CompareRender, ComparisonFormat, rendered_comparison
from service.api.responses.json import json_answer
from service.engine.engine import Engine
from service.engine.loaded_model import ModelVariant
from service.errors import InvalidParametersError, responses
from service.http.disconnect import DisconnectWatcher
from service.http.fast_routes import FastRoute
from service.models.catalog import ModelRef
from service.saliency.explainer import Explainer, class_index, fitting_gradients
from service.saliency.methods import MethodName

router = APIRouter(tags=["predict"], route_class=FastRoute)
MAX_MODELS = 8
_ONLY_EXPLAINED = {*ExplanationQuery.model_fields, "format"} - set(CropQuery.model_fields)


class CompareQuery(ExplanationQuery):
    """Which models answer, how much they say, and how their answers are explained."""

    models: str = Field("mlp,cnn", max_length=512, description="two or more, such as `mlp,cnn` or `cnn@1,cnn@2`")
    precision: Precision | None = Field(None, description="fp32 or int8; as the service is set up where none is given")
    top_k: int = Field(3, ge=1, le=1000, description="classes to list per model; all where it knows fewer")
    saliency: str | None = Field(
        None, max_length=512, description=f"explain each answer by one or more of {', '.join(METHOD_NAMES)}"
    )
    format: ComparisonFormat | None = Field(
        None, description="with `saliency`: json, or png for one picture; by the header Accept where it is not given"
    )

    @field_validator("models")
    @classmethod
    def _are_references(cls, models: str) -> str:
        count = len([ModelRef.parse(part) for part in models.split(",")])
        if not 2 <= count <= MAX_MODELS:
            raise ValueError(f"name 2 to {MAX_MODELS} models, separated by commas, not {count}")
        return models

    @field_validator("saliency")
    @classmethod
    def _are_methods(cls, saliency: str | None) -> str | None:
        if saliency is not None:
            named_methods(saliency)
        return saliency

    @model_validator(mode="after")
    def _explains_what_it_was_asked_for(self) -> Self:
        if self.saliency is None:
            asked = self.model_fields_set & _ONLY_EXPLAINED
            if asked:
                # Not a ValueError, in which pydantic names no parameter.
                raise InvalidParametersError([(name, "only together with `saliency`") for name in sorted(asked)])
        return self

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods of the explanations in the order they were named; none where no answer is explained."""
        return () if self.saliency is None else named_methods(self.saliency)

    @property
    def references(self) -> list[ModelRef]:
        """The models in the order they were named."""
        return [ModelRef.parse(part) for part in self.models.split(",")]


@router.post(
    "/compare",
    response_model=CompareResponse,
    responses={**COMPARE_SUCCESS, **responses(*IMAGE_ERRORS, *EXPLANATION_ERRORS)},
    openapi_extra=image_body(many=False),
)
async def compare(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
    """Ask both families, or any versions, what one image shows, and how far apart their answers are.

    With `saliency`, also which pixels each answer hangs on: the maps of all models by the same methods, in JSON with a
    picture per model as a `data:` address, or as one picture with a row per method, in which the image comes first and
    then each model's map. Each model's own most probable class is explained where `target` names none.
    """
    scope = request.scope
    state, context = scope["state"], scope["state"]["context"]
    engine: Engine = state["engine"]
    versions = [
        await engine.find(reference.family, reference.version, query.precision, deadline=context.deadline)
        for reference in query.references
    ]
    if query.methods:
        return await _explained(request, query, versions)
    [upload] = await state["body_reader"].read(
        scope["headers"], request.receive, deadline=context.deadline, max_files=1
    )
    connection = DisconnectWatcher(request.receive)
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
    answer = {
        "predictions": comparison.predictions,
        "agree": comparison.agree,
        "divergence": comparison.divergence,
    }
    return json_answer(answer, timings, context)


async def _explained(request: Request, query: CompareQuery, versions: list[ModelVariant]) -> Response:
    state, context = request.scope["state"], request.scope["state"]["context"]
    engine: Engine = state["engine"]
    explainer: Explainer = state["explainer"]
    form = query.format or preferred(request.headers, COMPARISON_TYPES)
    exact = [await engine.loaded(each.family, each.version, "fp32", deadline=context.deadline) for each in versions]
    targets = [None if query.target is None else class_index(query.target, each.labels) for each in versions]
    parameters = [query.parameters(*each.size) for each in versions]
    explainer.check_capacity()
    read = state["body_reader"].read
    [upload] = await read(request.scope["headers"], request.receive, deadline=context.deadline, max_files=1)

    async def explained() -> Response:
        await fitting_gradients(exact, query.methods)
        comparison, timings = await engine.compare(
            versions, upload, top_k=query.top_k, begun=context.started, deadline=context.deadline, crop=query.part
        )
        explanations = [
            await explainer.explain(served, image.pixels_HWC, query.methods, told, target)
            for served, image, told, target in zip(exact, comparison.images, parameters, targets, strict=True)
        ]
        told = [CompareRender(*each) for each in zip(exact, explanations, parameters, strict=True)]
        return await explainer.in_background(
            lambda: rendered_comparison(comparison, timings, told, form, query.layout, context)
        )

    connection = DisconnectWatcher(request.receive)
    try:
        return await explainer.run_until(explained, context.deadline, connection)
    finally:
        connection.close()
