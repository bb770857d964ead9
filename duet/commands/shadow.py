"""`duet models shadow`: start, show and end shadow trials; the running services of the home follow within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import Reference
from duet.commands.extras import require_serve
from duet.commands.models import Actor, AsJson, Family, login, open_repository

if TYPE_CHECKING:
    from core.schemas.shadow import ShadowTrial
    from service.shadow.evaluation import TrialEvaluation

app = typer.Typer(help="Compare a version with the champion on live requests.", no_args_is_help=True)


@app.command()
def start(
    reference: Reference,
    share: Annotated[float, typer.Option(help="Share of the requests that the version answers too, up to 1.")],
    label_budget: Annotated[int, typer.Option(help="Number of labels after which the trial ends, 10 to 10,000.")],
    margin: Annotated[float, typer.Option(help="Difference in accuracy that does not matter.")] = 0.01,
    max_days: Annotated[float, typer.Option(help="Time after which the trial ends, at most 90.")] = 14.0,
    promote: Annotated[bool, typer.Option("--promote", help="Promote it through the gate if it is better.")] = False,
    use_feedback: Annotated[
        bool,
        typer.Option("--use-feedback", help="Count labels of clients too, if they do not depend on the answers."),
    ] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Start a trial of a version against the champion of its family."""
    require_serve("duet models shadow start")
    from pydantic import ValidationError

    from core.errors import ConfigurationError, explain
    from core.trials.records import TrialPlan
    from core.trials.start import start_trial
    from core.trials.store import TrialStore

    repository = open_repository()
    family, version = repository.resolve(reference)
    try:
        plan = TrialPlan(
            version=version,
            share=share,
            label_budget=label_budget,
            margin=margin,
            max_days=max_days,
            promote=promote,
            use_feedback=use_feedback,
        )
    except ValidationError as error:
        raise ConfigurationError(explain(error)) from None
    store = TrialStore(repository.home_models.parent)
    trial = start_trial(repository, store, family, plan, by=actor or login())
    _show(_evaluation().status(trial), as_json)


@app.command()
def status(family: Family, as_json: AsJson = False) -> None:
    """Print the running or else the newest trial of a family, with its evidence."""
    require_serve("duet models shadow status")
    _show(_status(family), as_json)


@app.command()
def end(
    family: Family,
    reason: Annotated[str, typer.Option(help="Stored with the trial.")] = "requested with duet models shadow end",
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End the running trial of a family; one that has ended does not change."""
    require_serve("duet models shadow end")
    from core.trials.store import TrialStore

    _status(family)
    trial = TrialStore(open_repository().home_models.parent).latest_of(family)
    if trial is not None:
        _evaluation().end_by_request(trial, by=actor or login(), note=reason)
    _show(_status(family), as_json)


def _evaluation() -> TrialEvaluation:
    from core.trials.store import TrialStore
    from service.shadow.evaluation import TrialEvaluation

    repository = open_repository()
    home = repository.home_models.parent
    return TrialEvaluation(home, repository, TrialStore(home))


def _status(family: str) -> ShadowTrial:
    """The newest trial of a family; raises NoTrialError or UnknownFamilyError."""
    from core.trials.errors import NoTrialError
    from core.trials.store import TrialStore

    repository = open_repository()
    trial = TrialStore(repository.home_models.parent).latest_of(family)
    if trial is None:
        repository.versions(family)
        raise NoTrialError(family)
    return _evaluation().status(trial)


def _show(trial: ShadowTrial, as_json: bool) -> None:
    if as_json:
        typer.echo(trial.model_dump_json(indent=2))
        return
    counts, difference = trial.result.counts, trial.result.difference
    state = (
        f"ended: {trial.end.reason} ({trial.end.note})" if trial.end else f"running, {trial.labels_left} labels left"
    )
    typer.echo(f"{trial.model}@{trial.challenger} against {trial.model}@{trial.champion}: {state}")
    typer.echo(f"verdict: {trial.result.verdict}")
    typer.echo(
        f"evidence: {trial.result.evidence_challenger:.3g} for the challenger, {trial.result.evidence_champion:.3g} "
        f"for the champion, decisive at {trial.result.decisive_evidence:g}"
    )
    typer.echo(
        f"difference in accuracy: {difference.value:+.2%} ({difference.low:+.2%} to {difference.high:+.2%}, 95 %)"
    )
    typer.echo(
        f"images: {counts.agreements:,} with the same answer, {counts.disagreements:,} with different answers, "
        f"of which {counts.labelled:,} have a label; {trial.dropped:,} not compared"
    )
    if trial.promotion is not None:
        typer.echo(f"{'promoted' if trial.promotion.promoted else 'not promoted'}: {trial.promotion.detail}")
