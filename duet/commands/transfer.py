"""`duet models push` and `duet models pull`: copy versions to and from a folder or an S3 bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import Reference, interruptible, run_again, this_command
from duet.commands.models import open_repository

if TYPE_CHECKING:
    from core.repository.transfer import Advance

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="Folder, which is created, or bucket: s3://BUCKET/PREFIX.")
]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Folder or bucket: s3://BUCKET/PREFIX.")]
Wanted = Annotated[
    str | None, typer.Argument(metavar="[REF]", help="Version: cnn@3. Without it, the versions of SOURCE are listed.")
]


def push(reference: Reference, target: Target) -> None:
    """Copy a version to a folder or an S3 bucket; a push that was interrupted continues."""
    from core.repository.remote import RemoteVersions
    from core.repository.transfer import push as push_version

    repository = open_repository()
    family, version = repository.resolve(reference)
    total = sum(record.bytes for record in repository.manifest(family, version).files.values())
    remote = RemoteVersions(target, create=True)
    with interruptible(run_again), _progress(f"push {family}@{version}", total) as advance:
        done = push_version(repository, family, version, remote, advance)
    if done.existed:
        typer.echo(f"{family}@{version} is at {target} already: nothing was sent")
    else:
        typer.echo(f"pushed {family}@{version} to {target}: {done.files} of {len(done.manifest.files)} files sent")


def pull(source: Source, reference: Wanted = None) -> None:
    """Copy a version from a folder or an S3 bucket into the home, under the same number."""
    from core.errors import ConfigurationError
    from core.repository.manifest import FAMILY_PATTERN
    from core.repository.remote import RemoteVersions
    from core.repository.transfer import pull as pull_version

    remote = RemoteVersions(source)
    if reference is None:
        versions = remote.versions()
        for family, number in versions:
            typer.echo(f"{family}@{number}")
        if not versions:
            typer.echo(f"{source} has no versions: `duet models push REF {source}` copies one there", err=True)
        return
    if not re.fullmatch(rf"{FAMILY_PATTERN[1:-1]}@[1-9][0-9]{{0,8}}", reference):
        raise ConfigurationError(f"{reference!r} is not a version: write FAMILY@NUMBER, such as cnn@3")
    name, _, number_text = reference.partition("@")
    advice = f"nothing is kept; run the command again: {this_command()}"
    with interruptible(lambda: advice), _progress(f"pull {reference}", None) as advance:
        done = pull_version(open_repository(), name, int(number_text), remote, advance)
    if done.existed:
        typer.echo(f"{reference} is here already: nothing was copied")
        return
    typer.echo(f"pulled {reference} from {source}: {done.files} files as recorded")
    typer.echo(f"not served yet: duet models promote {reference} --reason WHY")


@contextmanager
def _progress(description: str, total: int | None) -> Iterator[Advance]:
    """Display of the bytes on stderr, if it is a terminal; yields a function that adds to them."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda received: progress.advance(task, received)
