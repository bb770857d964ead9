"""Result of a batch prediction in its job record."""

from __future__ import annotations

from core.jobs.parameters import TableFormat
from core.repository.manifest import Precision
from core.strict_model import StrictModel


class TableSummary(StrictModel):
    """A complete table.

    Attributes:
        model: the version, such as `cnn@4`.
        precision: precision in which it ran.
        predicted: number of files with a prediction.
        unreadable: number of files without.
        bytes: size of the table.
    """

    model: str
    precision: Precision
    predicted: int
    unreadable: int
    bytes: int


class BatchResult(StrictModel):
    """The tables of a batch prediction.

    Attributes:
        data: the data set, such as `folder:pets`.
        images: number of its files.
        format: format of the tables.
        tables: a table for each model, in the order of the parameters.
    """

    data: str
    images: int
    format: TableFormat
    tables: tuple[TableSummary, ...]
