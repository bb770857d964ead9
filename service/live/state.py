"""Stored state of the live figures, so that the tests go on after a restart instead of beginning again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from core.files.durable import atomic_replace
from core.schemas.live import DriftTest
from core.sequential.drift import RateState
from core.strict_model import StrictModel

log = logging.getLogger("duet.live")


class LiveState(StrictModel):
    """State after a round.

    Attributes:
        position: offset in each segment up to which the drift tests have seen the records.
        drift: states of the drift tests, by version and precision.
    """

    format: Literal[1] = 1
    position: dict[str, int] = Field(default_factory=dict)
    drift: dict[str, dict[DriftTest, RateState]] = Field(default_factory=dict)


def load_state(path: Path) -> LiveState:
    """The stored state; an empty one if there is none, or if it was made by another release.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return LiveState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return LiveState()
    except ValidationError as error:
        log.warning("the live figures begin again, because %s is not of this release: %s", path.name, error)
        return LiveState()


def save_state(path: Path, state: LiveState) -> None:
    """Replace the stored state.

    Raises:
        OSError: the disk is full or fails; the old state stays.
    """
    atomic_replace(path, state.model_dump_json().encode())
