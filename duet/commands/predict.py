"""`duet predict`: predict files and folders, or a data set of a service, into a table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import Threads, interruptible, progress_bar, run_again
from duet.commands.completion import complete_version
from duet.commands.extras import require_serve

if TYPE_CHECKING:
    from core.batch.journal import Header
    from core.batch.run import Predictor
    from core.repository.manifest import Precision


class PrecisionOption(StrEnum):
    """Number format of the computation."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


def predict(
    out: Annotated[Path, typer.Option(help="Table to write: a file that ends in .csv, .jsonl or .parquet.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Images, and folders of images.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="REF", help="Version: cnn@3, or cnn for its champion.", autocompletion=complete_version),
    ] = "cnn",
    precision: Annotated[
        PrecisionOption | None, typer.Option(help="Number format; by default DUET_PRECISION or that of the service.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Predict with the service at this address instead of in this process.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Predict this data set of the service as a job; needs --url.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="DUET_KEY", help="API key for --dataset; `duet key` prints a generated one.")
    ] = None,
    threads: Threads = None,
) -> None:
    """Predict images into a table with one row for each file; a killed command continues where it stopped."""
    from core.errors import ConfigurationError
    from duet.commands.predict_dataset import predict_dataset

    if (paths is None) == (dataset is None):
        raise ConfigurationError("name files and folders to predict, or a data set of a service with --dataset")
    if dataset is not None:
        if url is None:
            raise ConfigurationError("--dataset needs --url, the address of the service that has the data set")
        chosen: Precision | None = None if precision is None else precision.value
        predict_dataset(dataset, out, model=model, precision=chosen, url=url, api_key=key)
    else:
        _predict_files(paths or [], out, model, precision, url, threads)


def _predict_files(
    paths: Sequence[Path],
    out: Path,
    model: str,
    precision: PrecisionOption | None,
    url: str | None,
    threads: int | None,
) -> None:
    from core.batch.files import list_files
    from core.batch.journal import Journal
    from core.batch.output import check_output, check_parquet, format_of
    from core.batch.run import predict_files, write_table
    from core.cpu import available_cores
    from core.errors import ConfigurationError

    check_output(out)
    check_parquet(format_of(out))
    threads = threads or available_cores()
    journal = Journal(out)
    if out.exists() and not journal.path.exists():
        raise ConfigurationError(f"{out} exists: remove it, or name another --out")
    files = list_files(paths, without=[out, *journal.files])
    with ExitStack() as opened, interruptible(run_again):
        opened.enter_context(journal)
        header, predictor, batch = (
            _offline(opened, model, precision, threads) if url is None else _online(opened, model, precision, url)
        )
        journal.begin(header)
        with progress_bar() as progress:
            task = progress.add_task(f"Predicting with {header.model}", total=len(files))
            progress.advance(task, len(journal.done & files.keys()))
            predict_files(
                files,
                predictor,
                journal,
                batch=batch,
                threads=threads,
                advance=lambda count: progress.advance(task, count),
            )
        predicted, unreadable = write_table(files, journal, out)
        journal.remove()
    typer.echo(f"{header.model}: {predicted:,} files predicted, {unreadable:,} unreadable, in {out}")


def _offline(
    opened: ExitStack, model: str, precision: PrecisionOption | None, threads: int
) -> tuple[Header, Predictor, int]:
    require_serve("duet predict")
    from core.batch.journal import Header
    from core.repository.repository import ModelRepository
    from service.models.offline import BATCH, offline_predictor
    from service.settings import read_settings

    settings = read_settings()
    repository = ModelRepository.open()
    family, version = repository.resolve(model)
    predictor = opened.enter_context(
        offline_predictor(
            repository,
            family,
            version,
            precision=None if precision is None else precision.value,
            threads=threads,
            settings=settings,
        )
    )
    variant = predictor.variant
    return Header(model=variant.manifest.reference, precision=variant.precision, source="offline"), predictor, BATCH


def _online(
    opened: ExitStack, model: str, precision: PrecisionOption | None, url: str
) -> tuple[Header, Predictor, int]:
    from core.batch.journal import Header
    from core.errors import ConfigurationError
    from duet.client.batch import BATCH, OnlinePredictor
    from duet.client.client import Client

    client = opened.enter_context(Client(url))
    family, _, number = model.partition("@")
    found = client.model(family)
    version = found.champion if number in ("", "champion") else int(number) if number.isdecimal() else None
    if version is None or version not in {each.version for each in found.versions}:
        existing = ", ".join(f"{family}@{each.version}" for each in found.versions)
        raise ConfigurationError(f"the service at {url} has no version {model}: it has {existing}")
    chosen: Precision | None = None if precision is None else precision.value
    predictor = OnlinePredictor(client, family, version, precision=chosen)
    return Header(model=f"{family}@{version}", precision=chosen or "default", source=url), predictor, BATCH
