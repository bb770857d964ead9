"""Patterns of string fields."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from core.text_pattern import TextPattern

Name = Annotated[str, Field(max_length=5), TextPattern(r"^[a-z]+$", "a name has 1 to 5 letters, such as pets")]


class Named(BaseModel):
    name: Name | None = Field(None, description="name of the thing")
    others: tuple[Name, ...] = ()


@pytest.mark.parametrize("value", ["Pets", "", "kittens", 3])
def test_message_is_in_words(value: object) -> None:
    for values, location in (({"name": value}, ("name",)), ({"others": ("cats", value)}, ("others", 1))):
        with pytest.raises(ValidationError) as caught:
            Named.model_validate(values)
        [error] = caught.value.errors()
        assert (error["loc"], error["msg"]) == (location, "a name has 1 to 5 letters, such as pets")


def test_matching_text_is_accepted() -> None:
    assert Named(name="pets", others=("cats", "dogs")).model_dump() == {"name": "pets", "others": ("cats", "dogs")}


def test_schema_has_the_pattern_and_the_length() -> None:
    schema = Named.model_json_schema()["properties"]["name"]
    assert schema["anyOf"] == [{"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"}, {"type": "null"}]
    assert schema["description"] == "name of the thing"


def test_other_types_than_text_are_refused() -> None:
    annotation: Any = Annotated[int, TextPattern("^1$", "one")]
    with pytest.raises(TypeError, match="a text pattern is for str, not <class 'int'>"):
        type("Counted", (BaseModel,), {"__annotations__": {"count": annotation}, "__module__": __name__})
