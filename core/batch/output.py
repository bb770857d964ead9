"""Output formats of predictions: CSV, JSON Lines and Parquet; the file appears when it is complete."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from core.batch.rows import COLUMNS, Row
from core.errors import ConfigurationError
from core.files.durable import atomic_replace

_GROUP = 10_000
"""Number of rows in a Parquet row group."""


def check_output(path: Path) -> None:
    """Check before the work that the output has a known format and a folder; see also `check_parquet`.

    Raises:
        ConfigurationError: the suffix is unknown, or the folder does not exist.
    """
    if path.suffix.lower() not in _WRITERS:
        raise ConfigurationError(f"{path} has no known format: let --out end in {', '.join(_WRITERS)}")
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.absolute().parent}: make it first")


def format_of(path: Path) -> str:
    """Format of a table by the suffix of its name, such as `csv`."""
    return path.suffix.lower().removeprefix(".")


def check_parquet(table_format: str) -> None:
    """Check that this process can write Parquet, if that is the format.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    if table_format == "parquet" and find_spec("pyarrow") is None:
        raise ConfigurationError("a .parquet file needs pyarrow: run `pip install pyarrow`, or write .csv or .jsonl")


def write_output(path: Path, rows: Iterable[Row]) -> None:
    """Write the table in the format of the suffix of `path`, which is replaced in one step.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    atomic_replace(path, lambda stream: _WRITERS[path.suffix.lower()](stream, rows))


def _csv(stream: BinaryIO, rows: Iterable[Row]) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump(mode="json")
        if values["prediction_set"] is not None:
            values["prediction_set"] = json.dumps(values["prediction_set"], ensure_ascii=False)
        if values["out_of_distribution"] is not None:
            values["out_of_distribution"] = "true" if values["out_of_distribution"] else "false"
        writer.writerow(values.values())
    text.detach()


def _jsonl(stream: BinaryIO, rows: Iterable[Row]) -> None:
    for row in rows:
        stream.write(row.model_dump_json().encode() + b"\n")


def _parquet(stream: BinaryIO, rows: Iterable[Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {
        "file": pyarrow.string(),
        "label": pyarrow.string(),
        "probability": pyarrow.float64(),
        "prediction_set": pyarrow.list_(pyarrow.string()),
        "out_of_distribution": pyarrow.bool_(),
        "error": pyarrow.string(),
    }
    schema = pyarrow.schema([(name, types[name]) for name in COLUMNS])
    with parquet.ParquetWriter(stream, schema) as writer:
        for group in _grouped(rows):
            writer.write_table(pyarrow.Table.from_pylist([row.model_dump(mode="json") for row in group], schema))


def _grouped(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while group := list(islice(iterator, _GROUP)):
        yield group


_WRITERS: Mapping[str, Callable[[BinaryIO, Iterable[Row]], None]] = MappingProxyType(
    {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
)
