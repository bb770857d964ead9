"""GET /v2/models/...: what a model takes and gives, and whether it answers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from service.api.common.openapi_bodies import success
from service.api.deps import CatalogDep, EngineDep
from service.api.routes.v2.references import ChampionDep, VersionDep
from service.engine.engine import Engine
from service.engine.versions import existing_versions
from service.errors import (
    DeadlineExceededError,
    InternalServiceError,
    NotReadyError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
)
from service.models.catalog import ModelCatalog, ModelRef
from service.openinference.contract import model_metadata
from service.openinference.errors import ROOT, TAG, error_responses
from service.openinference.examples import MODEL_EXAMPLE, MODEL_READY_EXAMPLE
from service.openinference.messages import ModelMetadata, ModelReady

router = APIRouter(prefix=f"{ROOT}/models", tags=[TAG])

_METADATA_RESPONSES: dict[int | str, dict[str, Any]] = {
    **success(MODEL_EXAMPLE, "Its input, its outputs, and what they mean"),
    **error_responses(
        UnknownModelError, UnknownModelVersionError, VersionRefusedError, InternalServiceError, NotReadyError
    ),
}
_READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    **success(MODEL_READY_EXAMPLE, "The model is loaded and warm"),
    **error_responses(
        UnknownModelError,
        UnknownModelVersionError,
        VersionRefusedError,
        InternalServiceError,
        NotReadyError,
        DeadlineExceededError,
    ),
}


@router.get("/{model}", responses=_METADATA_RESPONSES)
def v2_model(reference: ChampionDep, catalog: CatalogDep, request: Request) -> ModelMetadata:
    """Describe a model's champion: input, outputs, versions, class names and temperature."""
    return _metadata(reference, catalog, request)


@router.get("/{model}/versions/{version}", responses=_METADATA_RESPONSES)
def v2_version(reference: VersionDep, catalog: CatalogDep, request: Request) -> ModelMetadata:
    """Describe one version, as above."""
    return _metadata(reference, catalog, request)


@router.get("/{model}/ready", responses=_READY_RESPONSES)
async def v2_model_ready(reference: ChampionDep, engine: EngineDep, request: Request) -> ModelReady:
    """Answer 200 once the model's champion is loaded and warm."""
    return await _ready(reference, engine, request)


@router.get("/{model}/versions/{version}/ready", responses=_READY_RESPONSES)
async def v2_version_ready(reference: VersionDep, engine: EngineDep, request: Request) -> ModelReady:
    """Answer 200 once the version is loaded and warm; it is loaded for this if need be."""
    return await _ready(reference, engine, request)


def _metadata(reference: ModelRef, catalog: ModelCatalog, request: Request) -> ModelMetadata:
    manifest = catalog.resolve(reference)
    preferred = request.state.settings.precision
    return model_metadata(
        manifest,
        existing_versions(catalog.repository, manifest.family),
        preferred if preferred in manifest.calibration else "fp32",
    )


async def _ready(reference: ModelRef, engine: Engine, request: Request) -> ModelReady:
    deadline = request.state.context.deadline
    served = await engine.loaded(reference.family, reference.version, deadline=deadline)
    return ModelReady(name=served.family)
