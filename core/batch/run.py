"""Prediction of many files: batches in threads, finished rows in the journal, and then the output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from core.batch.journal import Journal
from core.batch.output import write_output
from core.batch.rows import Row
from core.errors import ConfigurationError

_AHEAD = 2
"""Number of running or waiting batches per thread."""


class Predictor(Protocol):
    """Predicts a batch of files: name and path of each; thread-safe."""

    def predict(self, files: Sequence[tuple[str, Path]]) -> list[Row]:
        """One row for each file, in order."""
        ...


def predict_files(
    files: Mapping[str, Path],
    predictor: Predictor,
    journal: Journal,
    *,
    batch: int,
    threads: int,
    advance: Callable[[int], None],
) -> None:
    """Predict the files that the journal lacks.

    Args:
        files: files by the name of their row.
        predictor: model or service.
        journal: an open journal, which receives the rows of each batch.
        batch: files of a batch.
        threads: batches in work at a time.
        advance: receives the number of files of each finished batch.

    Raises:
        DuetError: raised by the predictor, or the journal cannot be written; the finished rows are kept.
    """
    done = journal.done
    waiting = [(name, path) for name, path in files.items() if name not in done]
    batches = [waiting[start : start + batch] for start in range(0, len(waiting), batch)]
    running: deque[Future[list[Row]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
        try:
            for part in batches:
                running.append(pool.submit(predictor.predict, part))
                if len(running) >= _AHEAD * threads:
                    _keep(running.popleft().result(), journal, advance)
            while running:
                _keep(running.popleft().result(), journal, advance)
        finally:
            pool.shutdown(cancel_futures=True)


def write_table(files: Mapping[str, Path], journal: Journal, output: Path) -> tuple[int, int]:
    """Write the output from the journal, which is kept; returns the number of predicted and of unreadable files.

    Raises:
        ConfigurationError: the output cannot be written.
    """
    unreadable = 0

    def counted() -> Iterator[Row]:
        nonlocal unreadable
        for row in journal.rows(files):
            unreadable += row.error is not None
            yield row

    try:
        write_output(output, counted())
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output} ({error.strerror}): the predictions are kept in {journal.path}; run the command "
            "again when there is room"
        ) from error
    return len(files) - unreadable, unreadable


def _keep(rows: Sequence[Row], journal: Journal, advance: Callable[[int], None]) -> None:
    journal.append(rows)
    advance(len(rows))
