"""Which model a path of the protocol names."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import Request

from service.engine.versions import existing_versions
from service.errors import UnknownModelVersionError
from service.models.catalog import ModelRef

_MODEL = "the model's name"
_VERSION = "its number within the model, or `champion`"

ModelName = Annotated[str, Path(description=_MODEL)]
VersionName = Annotated[str, Path(description=_VERSION)]


async def reference_in(request: Request) -> ModelRef:
    """What the path's parameters `model` and, if it has one, `version` name; neither need exist.

    Raises:
        UnknownModelError, UnknownModelVersionError: the version is neither a number nor `champion`.
    """
    model, version = request.path_params["model"], request.path_params.get("version")
    if version is None:
        return ModelRef(model, None)
    try:
        return ModelRef.parse(f"{model}@{version}")
    except ValueError:
        existing = await asyncio.to_thread(existing_versions, request.state.repository, model)
        raise UnknownModelVersionError(model, version, existing) from None


async def _champion(model: ModelName, request: Request) -> ModelRef:
    return await reference_in(request)


async def _version(model: ModelName, version: VersionName, request: Request) -> ModelRef:
    return await reference_in(request)


ChampionDep = Annotated[ModelRef, Depends(_champion)]
VersionDep = Annotated[ModelRef, Depends(_version)]


def path_parameters(path: str) -> list[dict[str, Any]]:
    """How OpenAPI describes the parameters of a path where its route reads them by itself."""
    described = {"model": _MODEL, "version": _VERSION}
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in described.items()
        if f"{{{name}}}" in path
    ]
