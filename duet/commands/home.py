"""`duet home`: the folder of all writable state, and its backup, restore and check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from duet.commands.common import note
from duet.commands.extras import require_serve

app = typer.Typer(help="Print the folder of all writable state; back it up, restore it, check it.")


@app.callback(invoke_without_command=True)
def home(context: typer.Context) -> None:
    """Print the folder of all writable state, and on stderr the rule that gives it; the folder may not exist yet."""
    if context.invoked_subcommand is not None:
        return
    from core.files.home import locate_home

    path, rule = locate_home()
    typer.echo(path)
    note(f"{rule}{'' if path.exists() else '; it does not exist yet'}")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file that ends in .tar or .tar.gz.")],
) -> None:
    """Write the home to one archive, also while the service runs; caches and unfinished work are left out."""
    require_serve("duet home backup")
    from core.files.home import duet_home
    from service.home.backup import back_up

    done = back_up(duet_home(), file)
    typer.echo(f"{file}: {done.files:,} files, {done.bytes / 1e6:,.1f} MB of {duet_home()}")
    if done.links:
        listed = ", ".join(done.links[:5]) + (", ..." if len(done.links) > 5 else "")
        note(f"links are not followed, back up their targets yourself: {listed}")
    note("the archive contains the API key: keep it as safe as the home")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive of duet home backup.")],
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Empty or new folder to restore into; by default DUET_HOME.")
    ] = None,
) -> None:
    """Restore a backup into an empty or new home, on which no service runs; every file is checked first."""
    require_serve("duet home restore")
    from core.files.home import duet_home
    from service.home.restore import restore as run

    place = duet_home() if home is None else home.expanduser().absolute()
    done = run(file, place)
    typer.echo(
        f"{place}: restored {done.files:,} files, {done.bytes / 1e6:,.1f} MB, "
        f"as of {done.created_at:%Y-%m-%d %H:%M:%S} UTC by Duet {done.duet}"
    )


@app.command()
def check() -> None:
    """Check versions, champions, data sets, captured traffic, keys and leftovers; exit code 1 if anything is wrong."""
    require_serve("duet home check")
    from core.errors import ConfigurationError
    from core.repository.repository import ModelRepository
    from service.home.check import check_home

    repository = ModelRepository.open()
    place = repository.home_models.parent
    if not place.is_dir():
        raise ConfigurationError(f"there is no home {place}: set DUET_HOME to the folder to check")
    faults = 0
    for found in check_home(repository):
        faults += found.is_fault
        typer.echo(f"{'fault' if found.is_fault else 'leftover'}: {found.where}: {found.problem}: {found.advice}")
    typer.echo(f"{place}: {faults or 'no'} {'fault' if faults == 1 else 'faults'}")
    if faults:
        raise typer.Exit(1)
