"""Which model a path of the protocol names, as types that routes ask for."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import Request

from service.catalogue import Reference, existing_versions
from service.errors import UnknownModelVersionError

ModelName = Annotated[str, Path(description="the model's name")]
VersionName = Annotated[str, Path(description="its number within the model, or `champion`")]


async def _champion(model: ModelName) -> Reference:
    return Reference(model, None)


async def _version(model: ModelName, version: VersionName, request: Request) -> Reference:
    try:
        return Reference.parse(f"{model}@{version}")
    except ValueError:
        existing = await asyncio.to_thread(existing_versions, request.state.repository, model)
        raise UnknownModelVersionError(model, version, existing) from None


ChampionDep = Annotated[Reference, Depends(_champion)]
VersionDep = Annotated[Reference, Depends(_version)]
