from __future__ import annotations

from core.recipes import RECIPES, recipe_config
from core.schemas.jobs import RecipeList
from tests.support.service import RunningApp


async def test_recipe_has_settings_and_schema(running: RunningApp) -> None:
    answer = await running.client.get("/recipes")
    listed = RecipeList.model_validate_json(answer.content)
    assert [one.name for one in listed.recipes] == list(RECIPES)
    for one in listed.recipes:
        assert one.config == recipe_config(one.name)
        assert one.family == one.config.network.kind
        assert len(one.description) > 10
    assert set(listed.config_schema["properties"]) == set(listed.recipes[0].config.model_dump())
    assert "overrides" in listed.parameters_schema["properties"]
