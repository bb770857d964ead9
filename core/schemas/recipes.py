"""What the API answers about recipes, as data; see `core.schemas.api`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from core.recipes import RecipeConfig
from core.schemas.api import ResponseModel


class Recipe(ResponseModel):
    """A recipe: a full configuration, under a name."""

    name: str
    description: str
    family: str = Field(description="family that its versions are published under where nobody names another")
    config: RecipeConfig = Field(description="all settings; `overrides` of POST /train changes them")


class RecipeList(ResponseModel):
    """Answer of GET /recipes; forms can be made from the two schemas."""

    recipes: tuple[Recipe, ...]
    config_schema: dict[str, Any] = Field(description="JSON schema of every `config`")
    parameters_schema: dict[str, Any] = Field(description="JSON schema of the body of POST /train")
