"""GET /models...: what there is, where it came from, how good it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from core.schemas.models import ModelDetail, ModelList, VersionDetail
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import MODEL_ERRORS, VERSION_ERRORS
from service.api.deps import CatalogDep
from service.api.examples.models import MODEL_EXAMPLE, MODELS_EXAMPLE, VERSION_EXAMPLE
from service.errors import InternalServiceError, NotReadyError, responses

router = APIRouter(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(max_length=64, description="the model's name")]
VersionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="its number within the model")]


@router.get(
    "",
    responses={**success(MODELS_EXAMPLE, "Every model"), **responses(InternalServiceError, NotReadyError)},
)
def list_models(catalog: CatalogDep) -> ModelList:
    """List the models with their versions and champions."""
    return catalog.models()


@router.get(
    "/{model}",
    responses={
        **success(MODEL_EXAMPLE, "The model and its versions"),
        **responses(*MODEL_ERRORS),
    },
)
def get_model(model: ModelName, catalog: CatalogDep) -> ModelDetail:
    """Describe one model: its versions with their headline figures, and which is champion."""
    return catalog.model(model)


@router.get(
    "/{model}/versions/{version}",
    responses={
        **success(VERSION_EXAMPLE, "The version and its whole manifest"),
        **responses(*VERSION_ERRORS),
    },
)
def get_version(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> VersionDetail:
    """Describe one version: data, recipe, environment, calibration, figures and the hash of every file."""
    return catalog.version(model, version)
