"""GET /v2, /v2/health and /v2/models: metadata, liveness and readiness of the Open Inference Protocol."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request

from core.errors import UnknownFamilyError, UnknownVersionError
from core.release import release
from service.api.common.openapi import success
from service.api.deps import CatalogDep, StateDep
from service.api.examples import load_example
from service.api.routes import monitoring
from service.errors import (
    DeadlineExceededError,
    NotReadyError,
    VersionRefusedError,
)
from service.models.catalog import ModelCatalog, ModelRef
from service.openinference.contract import EXTENSIONS, model_metadata
from service.openinference.errors import ROOT, TAG, error_responses
from service.openinference.messages import ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady
from service.state import RequestState, state_of

router = APIRouter(prefix=ROOT, tags=[TAG])
MODEL_ERRORS = (UnknownFamilyError, UnknownVersionError, VersionRefusedError, NotReadyError)
_METADATA = ServerMetadata(name="duet", version=release(), extensions=EXTENSIONS)
_METADATA_RESPONSES: dict[int | str, dict[str, Any]] = {
    **success(load_example("v2")["model"], "Its input, its outputs, and what they mean"),
    **error_responses(*MODEL_ERRORS),
}
_READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    **success(ModelReady(name="cnn").model_dump(), "The model is loaded and warm"),
    **error_responses(*MODEL_ERRORS, DeadlineExceededError),
}

_MODEL = "model family"
_VERSION = "version number, or `champion`"
ModelName = Annotated[str, Path(description=_MODEL)]
VersionName = Annotated[str, Path(description=_VERSION)]


async def reference_in(request: Request) -> ModelRef:
    """The model reference in the path parameters `model` and `version`; it is not checked for existence.

    Raises:
        UnknownFamilyError, UnknownVersionError: the version is neither a number nor `champion`.
    """
    model, version = request.path_params["model"], request.path_params.get("version")
    if version is None:
        return ModelRef(model, None)
    try:
        return ModelRef.parse(f"{model}@{version}")
    except ValueError:
        existing = await asyncio.to_thread(state_of(request)["repository"].versions, model)
        raise UnknownVersionError(model, version, existing) from None


async def _champion(model: ModelName, request: Request) -> ModelRef:
    return await reference_in(request)


async def _version(model: ModelName, version: VersionName, request: Request) -> ModelRef:
    return await reference_in(request)


ChampionDep = Annotated[ModelRef, Depends(_champion)]
VersionDep = Annotated[ModelRef, Depends(_version)]


def path_parameters(path: str) -> list[dict[str, Any]]:
    """OpenAPI parameters of a path whose route reads them from the scope."""
    described = {"model": _MODEL, "version": _VERSION}
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in described.items()
        if f"{{{name}}}" in path
    ]


@router.get("/", include_in_schema=False)
@router.get(
    "",
    responses={**success(_METADATA.model_dump(mode="json"), "The server and its extensions"), **error_responses()},
)
async def v2_server() -> ServerMetadata:
    """Return the name of the server and its protocol extensions."""
    return _METADATA


@router.get(
    "/health/live", responses={**success(ServerLive().model_dump(), "The process is alive"), **error_responses()}
)
async def v2_live() -> ServerLive:
    """Respond 200 while the process runs."""
    return ServerLive()


@router.get(
    "/health/ready",
    responses={
        **success(ServerReady().model_dump(), "At least one model is served"),
        **error_responses(NotReadyError),
    },
)
async def v2_ready(state: StateDep) -> ServerReady:
    """Respond 200 if /readyz does, otherwise 503 with the reason."""
    monitoring.read_readiness(state)
    return ServerReady()


@router.get("/models/{model}", responses=_METADATA_RESPONSES)
def v2_model(reference: ChampionDep, catalog: CatalogDep, state: StateDep) -> ModelMetadata:
    """Describe the champion of a model: input, outputs, versions, class names and temperature."""
    return _metadata(reference, catalog, state)


@router.get("/models/{model}/versions/{version}", responses=_METADATA_RESPONSES)
def v2_version(reference: VersionDep, catalog: CatalogDep, state: StateDep) -> ModelMetadata:
    """Describe one version, as above."""
    return _metadata(reference, catalog, state)


@router.get("/models/{model}/ready", responses=_READY_RESPONSES)
async def v2_model_ready(reference: ChampionDep, state: StateDep) -> ModelReady:
    """Respond 200 once the champion of the model is loaded and warm."""
    return await _ready(reference, state)


@router.get("/models/{model}/versions/{version}/ready", responses=_READY_RESPONSES)
async def v2_version_ready(reference: VersionDep, state: StateDep) -> ModelReady:
    """Respond 200 once the version is loaded and warm; it is loaded if necessary."""
    return await _ready(reference, state)


def _metadata(reference: ModelRef, catalog: ModelCatalog, state: RequestState) -> ModelMetadata:
    manifest = catalog.resolve(reference)
    precision = state["engine"].models.default_precision(manifest)
    return model_metadata(manifest, catalog.repository.versions(manifest.family), precision)


async def _ready(reference: ModelRef, state: RequestState) -> ModelReady:
    served = await state["engine"].loaded(reference.family, reference.version, deadline=state["context"].deadline)
    return ModelReady(name=served.family)
