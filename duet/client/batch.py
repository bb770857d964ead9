"""Predictions of a running service for batches of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.batch.files import read_file
from core.batch.rows import Row, predicted
from core.errors import ImageError
from core.repository.manifest import Precision
from core.schemas.api import Prediction
from duet.client.client import Client
from duet.client.errors import ResponseError

BATCH = 8
"""Number of files in a request."""
_OF_THE_FILES = frozenset({413, 415, 422})
"""HTTP statuses of errors that are caused by a single file."""
_BAD_PARAMETER = "urn:duet:problem:invalid-parameters"


class OnlinePredictor:
    """Predicts batches of files with the version `family`@`version` of a service; thread-safe."""

    def __init__(self, client: Client, family: str, version: int, *, precision: Precision | None) -> None:
        self._client = client
        self._family = family
        self._version = version
        self._precision = precision

    def predict(self, files: Sequence[tuple[str, Path]]) -> list[Row]:
        """One row for each file, in order. If a request is refused, its files are sent one by one.

        Raises:
            ClientError: the service does not respond, or with an error that is not about a file.
        """
        rows: dict[str, Row] = {}
        contents: dict[str, bytes] = {}
        for name, path in files:
            try:
                contents[name] = read_file(path)
            except ImageError as error:
                rows[name] = Row(file=name, error=str(error))
        if contents:
            rows |= self._rows(contents)
        return [rows[name] for name, _ in files]

    def _rows(self, contents: dict[str, bytes]) -> dict[str, Row]:
        try:
            predictions = self._predictions(list(contents.values()))
        except ResponseError as error:
            if error.status not in _OF_THE_FILES or error.type == _BAD_PARAMETER:
                raise
            if len(contents) == 1:
                [name] = contents
                return {name: Row(file=name, error=str(error))}
            return {name: row for one in contents for name, row in self._rows({one: contents[one]}).items()}
        return {name: predicted(name, one) for name, one in zip(contents, predictions, strict=True)}

    def _predictions(self, contents: Sequence[bytes]) -> tuple[Prediction, ...]:
        return self._client.predict(
            *contents, model=self._family, version=self._version, precision=self._precision, top_k=1
        ).predictions
