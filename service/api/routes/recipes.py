"""GET /recipes: what can be trained, and with which settings."""

from __future__ import annotations

from inspect import getdoc

from fastapi import APIRouter

from core.jobs.parameters import TrainParameters
from core.recipes import RECIPES, RecipeConfig
from core.schemas.recipes import Recipe, RecipeList
from service.api.common.openapi_bodies import success
from service.errors import InternalServiceError, responses

router = APIRouter(prefix="/recipes", tags=["jobs"])

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
