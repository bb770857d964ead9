"""`duet models`: list, verify and compare versions, and promote or roll back champions; deletion is in `delete`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duet.commands.common import Reference
from duet.commands.completion import complete_family, complete_version
from duet.commands.extras import require_gate

if TYPE_CHECKING:
    from core.gate.report import GateReport
    from core.repository.alias_files import Promotion
    from core.repository.repository import ModelRepository

app = typer.Typer(
    help="List, show, verify, compare, promote, roll back and delete model versions.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Family = Annotated[str, typer.Argument(metavar="FAMILY", autocompletion=complete_family)]
Reason = Annotated[str, typer.Option("--reason", help="Reason for the audit trail.")]
Actor = Annotated[str | None, typer.Option("--actor", help="Name for the audit trail; by default the login name.")]


@app.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List all versions with champion mark, layer, test accuracy, parameters and size."""
    repository = open_repository()
    champions = repository.champions()
    rows = [
        _summary(repository, family, version, champion=champions.get(family) == version)
        for family in repository.families()
        for version in repository.versions(family)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        from duet.commands.model_tables import print_summaries

        print_summaries(rows)
    else:
        typer.echo(_no_versions(repository))


@app.command()
def show(reference: Reference, as_json: AsJson = False) -> None:
    """Print the manifest of a version: recipe, data, environment, scores and files."""
    repository = open_repository()
    family, version = repository.resolve(reference)
    manifest = repository.manifest(family, version)
    if as_json:
        typer.echo(manifest.to_json(), nl=False)
        return
    from duet.commands.model_tables import print_manifest

    print_manifest(
        manifest,
        folder=repository.folder(family, version),
        layer=repository.layer(family, version),
        champion=repository.champion(family) == version,
    )


@app.command()
def verify(
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help="All versions by default.", autocompletion=complete_version),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the SHA-256 of every file with the manifest; exit code 1 if any differs."""
    from core.errors import RepositoryError

    repository = open_repository()
    results: list[dict[str, Any]] = []
    for reference in references or _all_references(repository):
        try:
            manifest = repository.verify(*repository.resolve(reference))
            results.append({"reference": manifest.reference, "files": len(manifest.files), "error": None})
        except RepositoryError as error:
            results.append({"reference": reference, "files": None, "error": str(error)})
        if not as_json:
            _echo_result(results[-1])
    if as_json:
        print_json(results)
    if any(result["error"] for result in results):
        raise typer.Exit(1)


@app.command()
def compare(first: Reference, second: Reference, as_json: AsJson = False) -> None:
    """Compare two versions by their stored predictions on the test images, with significance tests."""
    from core.comparison.compare import VersionComparer
    from core.comparison.evaluated import read_evaluated
    from core.files.home import duet_home
    from core.records.lookup import report_layers

    repository = open_repository()
    one, other = (
        read_evaluated(repository, repository.manifest(*repository.resolve(reference))) for reference in (first, second)
    )
    comparison = VersionComparer(repository, report_layers(duet_home())).compare(one, other)
    if as_json:
        typer.echo(comparison.model_dump_json(indent=2))
        return
    from duet.commands.model_tables import print_comparison

    print_comparison(comparison)


@app.command()
def gate(reference: Reference, as_json: AsJson = False) -> None:
    """Evaluate the promotion gate for a version without promoting it; exit code 1 if it refuses."""
    require_gate("duet models gate")
    from core.gate.promotion import assess
    from service.settings import read_settings

    repository = open_repository()
    report = assess(repository, *repository.resolve(reference), read_settings().gate)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_report(report)
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def promote(
    reference: Reference,
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Promote even if the gate refuses.")] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion of its family if it passes the gate; exit code 1 if not."""
    require_gate("duet models promote")
    from core.gate.promotion import promote_on_evidence
    from service.settings import read_settings

    repository = open_repository()
    family, version = repository.resolve(reference)
    decision = promote_on_evidence(
        repository,
        family,
        version,
        policy="if_better",
        thresholds=read_settings().gate,
        actor=actor or login(),
        reason=reason,
        force=force,
    )
    if as_json:
        moved = decision.promotion and decision.promotion.model_dump(mode="json")
        print_json({"promotion": moved, "gate": decision.report.model_dump(mode="json")})
    else:
        _print_report(decision.report)
    if decision.promotion is None:
        typer.echo(f"duet: {family}@{version} was not promoted: --force promotes it despite the gate", err=True)
        raise typer.Exit(1)
    if not as_json:
        _print_move(decision.promotion)


@app.command()
def rollback(
    family: Family,
    reason: Reason,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Restore the previous champion, one step further back per call."""
    from core.repository.champions import rollback as roll_back

    promotion = roll_back(open_repository(), family, actor=actor or login(), reason=reason)
    if as_json:
        print_json(promotion.model_dump(mode="json"))
    else:
        _print_move(promotion)


@app.command()
def history(
    family: Annotated[
        str | None,
        typer.Argument(metavar="[FAMILY]", help="All families by default.", autocompletion=complete_family),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the audit trail, oldest first: promotions, rollbacks, archived families and deleted versions.

    The trail of the versions that ship comes first; its entries are numbered separately.
    """
    from core.repository.champions import history as read_history
    from core.repository.champions import shipped_history

    repository = open_repository()
    home, shipped = read_history(repository, family), shipped_history(repository, family)
    if as_json:
        trails = (("shipped", shipped), ("home", home))
        print_json([entry.model_dump(mode="json") | {"layer": layer} for layer, trail in trails for entry in trail])
        return
    if not (home or shipped):
        typer.echo("no promotions or rollbacks yet")
        return
    from duet.commands.model_tables import print_promotions

    if shipped:
        print_promotions(shipped, title="versions that ship")
    if home:
        print_promotions(home)


def open_repository() -> ModelRepository:
    """Open the repository of the home and of the project."""
    from core.repository.repository import ModelRepository

    return ModelRepository.open()


def _summary(repository: ModelRepository, family: str, version: int, *, champion: bool) -> dict[str, Any]:
    """Return a row of the list; a version with an unreadable manifest has an `error` and no figures."""
    from core.errors import RepositoryError

    unknown = dict.fromkeys(("layer", "created_at", "test_accuracy", "test_images", "parameters", "bytes", "error"))
    row: dict[str, Any] = {"family": family, "version": version, "champion": champion, **unknown}
    try:
        manifest = repository.manifest(family, version)
        return row | {
            "layer": repository.layer(family, version),
            "created_at": manifest.created_at.isoformat(),
            "test_accuracy": manifest.metrics.test_accuracy,
            "test_images": manifest.data.counts["test"],
            "parameters": manifest.cost.parameters,
            "bytes": sum(record.bytes for record in manifest.files.values()),
        }
    except RepositoryError as error:
        return row | {"error": str(error)}


def _all_references(repository: ModelRepository) -> list[str]:
    """Return all versions and all champions, because a champion may refer to a missing version."""
    from core.errors import RepositoryError

    versions = {(family, version) for family in repository.families() for version in repository.versions(family)}
    references = sorted(versions | set(repository.champions().items()))
    if not references:
        raise RepositoryError(_no_versions(repository))
    return [f"{family}@{version}" for family, version in references]


def _no_versions(repository: ModelRepository) -> str:
    from core.files.home import no_versions

    return no_versions(repository.shipped, repository.home_models)


def _echo_result(result: dict[str, Any]) -> None:
    if result["error"]:
        typer.echo(f"FAILED {result['error']}", err=True)
    else:
        typer.echo(f"ok     {result['reference']}: {result['files']} files as recorded")


def _print_report(report: GateReport) -> None:
    typer.echo(report.summary)
    if report.verdicts:
        from duet.commands.model_tables import print_verdicts

        print_verdicts(report)


def _print_move(promotion: Promotion) -> None:
    if promotion.entry == 0:
        typer.echo(f"{promotion.family}@{promotion.to_version} is already the champion: nothing changed")
    else:
        before = "none" if promotion.from_version is None else str(promotion.from_version)
        typer.echo(f"champion of {promotion.family}: {before} -> {promotion.to_version} ({promotion.reason})")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2))


def login() -> str:
    """Return the login name, or the user id if it has none."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no passwd entry
        return f"uid {os.getuid()}"
