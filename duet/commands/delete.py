"""`duet models delete` and `duet models archive`: delete versions and families, and end the service of a family."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.completion import complete_family, complete_version
from duet.commands.models import Actor, AsJson, Reason, login, open_repository, print_json

if TYPE_CHECKING:
    from core.repository.repository import ModelRepository

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def delete(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="Version: pets@3; or family: pets, with all its versions.",
            autocompletion=complete_version,
        ),
    ],
    reason: Reason,
    yes: Yes = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Delete a version, or a family that has no champion, permanently; asks first.

    A champion is never deleted: promote another version, or archive the family. Versions that ship with the project are
    not deleted either. Numbers of deleted versions are not used again, and `duet models history` keeps their entries.
    """
    from core.repository.deletion import check_deletable, delete_family, delete_version

    repository = open_repository()
    if "@" in reference:
        family, version = repository.resolve(reference)
        versions = [version]
    else:
        family, versions = reference.strip(), repository.versions(reference.strip())
    for version in versions:
        check_deletable(repository, family, version)
    described = [_described(repository, family, version) for version in versions]
    question = f"delete {'; '.join(described)}, permanently?"
    confirm(question, yes=yes)
    by = actor or login()
    if "@" in reference:
        entries = [delete_version(repository, family, versions[0], actor=by, reason=reason)]
    else:
        entries = delete_family(repository, family, actor=by, reason=reason)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
    else:
        typer.echo(f"deleted {', '.join(f'{entry.family}@{entry.from_version}' for entry in entries)}")


def archive(
    family: Annotated[str, typer.Argument(metavar="FAMILY", autocompletion=complete_family)],
    reason: Reason,
    yes: Yes = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End the service of a family: it has no champion until a version is promoted or rolled back to; asks first.

    Nothing is deleted. Families that ship with the project are not archived.
    """
    from core.repository.champions import archive as archive_family

    repository = open_repository()
    champion = repository.champion(family)
    confirm(f"stop serving {family}, whose champion is {family}@{champion}?", yes=yes or champion is None)
    entry = archive_family(repository, family, actor=actor or login(), reason=reason)
    if as_json:
        print_json(entry.model_dump(mode="json"))
    else:
        typer.echo(f"{family} is archived; to serve it again: duet models rollback {family} --reason WHY")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal unless `yes`; exits with code 1 if the answer is no.

    Raises:
        ConfigurationError: nobody can answer, because the input is not a terminal.
    """
    from core.errors import ConfigurationError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} There is no terminal to confirm it on: add --yes")
    if not typer.confirm(question, err=True):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)


def _described(repository: ModelRepository, family: str, version: int) -> str:
    from core.errors import RepositoryError

    try:
        manifest = repository.manifest(family, version)
    except RepositoryError:
        return f"{family}@{version} (damaged)"
    size = sum(record.bytes for record in manifest.files.values())
    return (
        f"{family}@{version} ({manifest.recipe} on {manifest.data.name}, {manifest.metrics.test_accuracy:.1%} test "
        f"accuracy, {size / 1e6:.1f} MB)"
    )
