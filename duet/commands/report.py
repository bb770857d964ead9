"""`duet report`: HTML report that compares two versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigurationError
from duet.commands import common
from duet.commands.extras import require_training
from duet.commands.interpret import open_work


def report(
    first: common.FirstReference = "mlp",
    second: common.SecondReference = "cnn",
    out: Annotated[Path | None, typer.Option(help="Output folder; by default DUET_HOME/report.")] = None,
    docs: Annotated[
        bool,
        typer.Option("--docs", help="Also update docs/findings.md and models/reports, for the shipped champions."),
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Measure on a few images only, as a smoke test.")] = False,
    data: common.DataOfVersion = None,
    data_dir: common.DataDir = None,
    download: common.Download = False,
    threads: common.Threads = None,
) -> None:
    """Write a page of tables and figures on two versions: comparison, robustness, explanations, errors and costs.

    Missing or outdated records are measured first. If interrupted, run the same command again to resume.
    """
    require_training("duet report")
    from core.files.home import duet_home, ensure_home, shipped_models
    from core.records.lookup import REPORTS_NAME, report_layers
    from core.repository.repository import MODELS_NAME, ModelRepository
    from training.analysis.report.make import ReportContext
    from training.analysis.report.write import make_report, write_docs, write_page, write_records

    repository = ModelRepository.open()
    project = shipped_models().parent
    if docs:
        if quick:
            raise ConfigurationError("--docs would replace full measurements by quick ones: leave out --quick")
        if not (project / "docs").is_dir() or shipped_models().name != MODELS_NAME:
            raise ConfigurationError(
                f"--docs needs a checkout of the project, but {project} is not one: run it in a checkout"
            )
        # The page in docs/ describes the shipped champions, not those of DUET_HOME.
        repository = ModelRepository(home_models=duet_home() / "no-models", shipped=shipped_models())
    home = ensure_home(duet_home())
    layers = report_layers(home)
    work = open_work(
        repository,
        (first, second),
        layers[0],
        data=data,
        data_dir=data_dir,
        download=download,
        threads=threads,
        quick=quick,
    )
    with common.interruptible(common.run_again), common.progress_bar() as progress:
        made = make_report(ReportContext(work, layers, home, progress, note=common.note))
    typer.echo(f"page: {write_page(made, out or home / 'report')}")
    if docs:
        write_records(made.findings, shipped_models() / REPORTS_NAME)
        typer.echo(f"updated: {write_docs(made, project / 'docs')}, {shipped_models() / REPORTS_NAME}")
