"""Labels of captured images, read from the append-only files of the label store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.traffic.record import traffic_folder


class Label(BaseModel):
    """Label of one captured image.

    Attributes:
        id: id of the record.
        label: true class; None for "none of these".
        time: time of the label, in seconds since 1970.
        probability: probability with which the image was chosen to be labelled; None if it is not known, as for
            labels that clients send.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    label: str | None
    time: float
    probability: float | None = Field(None, gt=0, le=1)


class LabelReader:
    """Reads the labels under a home again when a file has changed; the last label of an image is valid."""

    def __init__(self, home: Path) -> None:
        """`home` may have no labels yet."""
        self._folder = traffic_folder(home) / "labels"
        self._seen: dict[str, int] = {}
        self._labels: dict[str, Label] = {}

    def read(self) -> Mapping[str, Label]:
        """The valid label of each image, by id, in the order of the times of the labels.

        Raises:
            OSError: a file cannot be read.
        """
        sizes = {path.name: path.stat().st_size for path in sorted(self._folder.glob("*.jsonl"))}
        if sizes != self._seen:
            lines = [each for name in sizes for each in _read(self._folder / name)]
            self._labels = {each.id: each for each in sorted(lines, key=lambda each: each.time)}
            self._seen = sizes
        return self._labels


def _read(path: Path) -> list[Label]:
    labels = []
    for line in path.read_bytes().splitlines():
        try:
            labels.append(Label.model_validate_json(line))
        except ValidationError:  # a line that another process is writing, or that was cut off
            continue
    return labels
