"""API schemas of recipes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from core.recipes import RecipeConfig
from core.schemas.api import ResponseModel


class Recipe(ResponseModel):
    """A named full configuration."""

    name: str
    description: str
    family: str = Field(description="default family of its versions")
    config: RecipeConfig = Field(description="all settings; `overrides` of POST /train changes them")


class RecipeList(ResponseModel):
    """Response of GET /recipes; the two schemas are made for forms."""

    recipes: tuple[Recipe, ...]
    config_schema: dict[str, Any] = Field(description="JSON schema of every `config`")
    parameters_schema: dict[str, Any] = Field(description="JSON schema of the body of POST /train")
