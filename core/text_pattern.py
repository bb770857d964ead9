"""Pattern of a string field whose error message describes valid values instead of showing the regular expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class TextPattern:
    """Annotation `Annotated[str, TextPattern(...)]`; the JSON schema has the pattern as `Field(pattern=...)` would.

    The message replaces all errors of the string, those of its type and length included, so it describes a valid
    value and gives an example. Constraints such as `Field(max_length=...)` precede it in the annotation.
    """

    regex: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if schema["type"] != "str":
            raise TypeError(f"a text pattern is for str, not {source!r}")
        return core_schema.custom_error_schema(
            {**schema, "pattern": self.regex},
            custom_error_type="text_pattern",
            custom_error_message=self.message,
        )
