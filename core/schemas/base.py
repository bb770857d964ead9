"""What all answers of the service have in common; see `core.schemas.api`."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Part of an answer: it does not change, and fields that it does not know are ignored."""

    model_config = ConfigDict(frozen=True)
