"""GET /models: models, their versions and manifests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from core.schemas.models import ModelDetail, ModelList, VersionDetail
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import MODEL_ERRORS, VERSION_ERRORS
from service.api.deps import CatalogDep
from service.api.examples import load_example
from service.errors import InternalServiceError, NotReadyError, responses

router = APIRouter(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(max_length=64, description="model family")]
VersionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="version number")]


@router.get(
    "",
    responses={**success(load_example("models"), "All models"), **responses(InternalServiceError, NotReadyError)},
)
def list_models(catalog: CatalogDep) -> ModelList:
    """List the models with their versions and champions."""
    return catalog.models()


@router.get(
    "/{model}",
    responses={
        **success(load_example("model"), "The model and its versions"),
        **responses(*MODEL_ERRORS),
    },
)
def get_model(model: ModelName, catalog: CatalogDep) -> ModelDetail:
    """Describe one model: its champion, and its versions with their main metrics."""
    return catalog.model(model)


@router.get(
    "/{model}/versions/{version}",
    responses={
        **success(load_example("version"), "The version and its manifest"),
        **responses(*VERSION_ERRORS),
    },
)
def get_version(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> VersionDetail:
    """Describe one version: data, recipe, environment, calibration, metrics and the hash of every file."""
    return catalog.version(model, version)
