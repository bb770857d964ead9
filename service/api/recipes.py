"""GET /recipes: what can be trained, and with which settings."""

from __future__ import annotations

from inspect import getdoc
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from core.jobs.parameters import TrainParameters
from core.recipes import RECIPES, RecipeConfig
from service.api.bodies import success
from service.errors import InternalServiceError, responses

router = APIRouter(prefix="/recipes", tags=["jobs"])


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recipe(_Answer):
    """A recipe: a full configuration, under a name."""

    name: str
    description: str
    family: str = Field(description="family that its versions are published under where nobody names another")
    config: RecipeConfig = Field(description="all settings; `overrides` of POST /train changes them")


class RecipeList(_Answer):
    """Answer of GET /recipes; forms can be made from the two schemas."""

    recipes: tuple[Recipe, ...]
    config_schema: dict[str, Any] = Field(description="JSON schema of every `config`")
    parameters_schema: dict[str, Any] = Field(description="JSON schema of the body of POST /train")


RECIPE_LIST = RecipeList(
    recipes=tuple(
        Recipe(name=name, description=getdoc(make) or "", family=make().network.kind, config=make())
        for name, make in RECIPES.items()
    ),
    config_schema=RecipeConfig.model_json_schema(),
    parameters_schema=TrainParameters.model_json_schema(),
)


@router.get(
    "",
    responses={
        **success(RECIPE_LIST.model_dump(mode="json"), "Every recipe, and the schema of its settings"),
        **responses(InternalServiceError),
    },
)
async def list_recipes() -> RecipeList:
    """List what POST /train can train: each recipe with all its settings, and their ranges, units and reasons."""
    return RECIPE_LIST
