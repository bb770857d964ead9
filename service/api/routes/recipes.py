"""GET /recipes: training recipes and their settings."""

from __future__ import annotations

from inspect import getdoc

from fastapi import APIRouter

from core.jobs.parameters import TrainParameters
from core.recipes import RECIPES, RecipeConfig
from core.schemas.jobs import Recipe, RecipeList
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
        **success(RECIPE_LIST.model_dump(mode="json"), "All recipes, and the schema of their settings"),
        **responses(InternalServiceError),
    },
)
async def list_recipes() -> RecipeList:
    """List the recipes of POST /train with their settings; the schema has ranges, units and reasons."""
    return RECIPE_LIST
