"""Batch prediction: runs versions over all images of a data set and writes a table for each.

Finished rows are in a journal, from which the next attempt continues after a kill.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from pydantic import TypeAdapter

from core.batch.journal import Header, Journal, JournalInUseError
from core.batch.output import check_parquet
from core.batch.run import predict_files, write_table
from core.errors import ConfigurationError, DataError
from core.images.class_labels import shown
from core.images.labelled_folders import read_folder
from core.jobs.batch_result import BatchResult, TableSummary
from core.jobs.count_reporter import CountReporter
from core.jobs.events import Note, Result, Stage
from core.jobs.parameters import BatchParameters
from core.jobs.worker_channel import WorkerChannel
from core.repository.manifest import Precision
from core.repository.repository import MODELS_NAME, ModelRepository
from service.jobs.batch.results import (
    read_summary,
    results_folder,
    stored_bytes,
    table_path,
    write_summary,
)
from service.models.offline import BATCH, offline_predictor
from service.settings import Settings

POLL_SECONDS = 0.5
"""Interval of the checks for the lock of a journal."""


def predict_dataset(
    job_id: str, parameters: BatchParameters, settings: Settings, channel: WorkerChannel, *, threads: int
) -> None:
    """Predict all images with each version, and report the tables.

    Raises:
        DuetError: the data set or a version does not exist or cannot be used, or the results take too much space.
        JobCancelledError, NotPermittedError: the worker stopped the job; finished rows are kept.
    """
    check_parquet(parameters.format)
    files = _files(settings.home, parameters.folder)
    results_folder(settings.home, job_id).mkdir(parents=True, exist_ok=True)
    job = _BatchJob(files, settings, channel, threads, models=len(parameters.models))
    tables = tuple(
        job.table(model, table_path(settings.home, job_id, model, parameters.format), parameters.precision)
        for model in parameters.models
    )
    result = BatchResult(data=parameters.data, images=len(files), format=parameters.format, tables=tables)
    channel.send(Result(result=result.model_dump(mode="json")))


def _files(home: Path, name: str) -> dict[str, Path]:
    """Files of a data set by the name of their row, sorted by name.

    Raises:
        DataError: there is no such data set, or it has no file.
    """
    folder = read_folder(home, name)
    files = {shown(file.name): file.path for label in folder.files.values() for file in label}
    if not files:
        raise DataError(f"{folder.data} has no images: upload some first")
    return dict(sorted(files.items()))


class _BatchJob:
    """Predictions of one set of files, model after model, with common progress."""

    def __init__(
        self, files: Mapping[str, Path], settings: Settings, channel: WorkerChannel, threads: int, *, models: int
    ) -> None:
        self._files = files
        self._settings = settings
        self._channel = channel
        self._threads = threads
        self._repository = ModelRepository(settings.home / MODELS_NAME, settings.shipped_models)
        self._reporter = CountReporter(channel)
        self._done = 0
        self._total = models * len(files)

    def table(self, model: str, table: Path, precision: Precision | None) -> TableSummary:
        """Write the table of a version, or return that of an earlier attempt."""
        self._channel.check()
        if (summary := read_summary(table)) is None:
            header = self._predict(model, table, precision)
            # Without the lock: the next attempt can complete the table if this one is not permitted to.
            self._channel.request_permission("publish")
            summary = self._write(table, header)
        else:
            self._advance(len(self._files))
        return summary

    def _predict(self, model: str, table: Path, precision: Precision | None) -> Header:
        """Predict the files that the journal lacks."""
        self._channel.send(Stage(name=f"predict with {model}"))
        family, version = self._repository.resolve(model)
        with ExitStack() as opened:
            journal = self._open(opened, table)
            begun = journal.header()
            # Rows of an earlier attempt, perhaps on another machine, decide the precision of the others.
            chosen = precision if begun is None else _precision(begun)
            predictor = opened.enter_context(
                offline_predictor(
                    self._repository, family, version, precision=chosen, threads=self._threads, settings=self._settings
                )
            )
            variant = predictor.variant
            header = Header(model=variant.manifest.reference, precision=variant.precision, source="offline")
            journal.begin(header)
            self._advance(len(journal.done & self._files.keys()))
            max_bytes = self._settings.max_results_bytes - stored_bytes(self._settings.home) + _size(journal)

            def advance(count: int) -> None:
                self._advance(count)
                if _size(journal) > max_bytes:
                    raise ConfigurationError(
                        "the tables of all batch predictions would take more than DUET_MAX_RESULTS_BYTES "
                        f"({self._settings.max_results_bytes:,} bytes): delete some with "
                        "DELETE /jobs/{job_id}/result, or raise the setting, and retry the job"
                    )

            predict_files(self._files, predictor, journal, batch=BATCH, threads=self._threads, advance=advance)
        return header

    def _write(self, table: Path, header: Header) -> TableSummary:
        with ExitStack() as opened:
            journal = self._open(opened, table)
            journal.begin(header)
            predicted, unreadable = write_table(self._files, journal, table)
            summary = TableSummary(
                model=header.model,
                precision=_precision(header),
                predicted=predicted,
                unreadable=unreadable,
                bytes=table.stat().st_size,
            )
            write_summary(table, summary)
            journal.remove()
        return summary

    def _open(self, opened: ExitStack, table: Path) -> Journal:
        """Open the journal of a table in `opened`; waits until an earlier attempt releases it."""
        noted = False
        while True:
            try:
                return opened.enter_context(Journal(table))
            except JournalInUseError:
                if not noted:
                    self._channel.send(Note(text="waiting for an earlier attempt to release the journal"))
                noted = True
                self._channel.check()
                time.sleep(POLL_SECONDS)

    def _advance(self, count: int) -> None:
        self._done += count
        self._reporter.report(self._done, self._total)


def _precision(header: Header) -> Precision:
    return TypeAdapter(Precision).validate_python(header.precision)


def _size(journal: Journal) -> int:
    return journal.path.stat().st_size
