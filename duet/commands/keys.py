"""`duet keys`: lists, adds, rotates and revokes the API keys that are stored in the home; no service needs to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from core.schemas.keys import MAX_OVERLAP_HOURS, KeyRequest
from duet.commands.common import note
from duet.commands.extras import require_serve

if TYPE_CHECKING:
    from service.security.key_store import NewKey

app = typer.Typer(no_args_is_help=True, help="List, add, rotate and revoke API keys.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="Name or id of the key.")]


@app.command("list")
def list_() -> None:
    """List the stored keys; keys of DUET_API_KEYS and the generated key of `duet key` are not listed."""
    require_serve("duet keys list")
    from rich.console import Console
    from rich.table import Table

    from core.files.home import duet_home
    from service.security.key_store import read_key_file

    keys = read_key_file(duet_home()).keys
    if not keys:
        note("no key is stored: `duet keys add NAME --scope jobs` adds one")
        return
    table = Table(box=None)
    for heading in ("NAME", "ID", "SCOPE", "CREATED", "EXPIRES", "LIMITS"):
        table.add_column(heading, no_wrap=heading != "LIMITS")
    for key in keys:
        limits = key.limits.model_dump(exclude_none=True)
        table.add_row(
            key.name,
            key.id,
            key.scope,
            f"{key.created:%Y-%m-%d}",
            "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}",
            ", ".join(f"{name}={value:g}" for name, value in limits.items()),
        )
    Console().print(table)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for lists and logs, such as the user of the key.")],
    scope: Annotated[str, typer.Option(help="predict, feedback, jobs or admin; each includes those before it.")],
    expires_days: Annotated[
        float | None, typer.Option(min=0, help="Days until the key expires; by default never.")
    ] = None,
    requests_per_second: Annotated[float | None, typer.Option(help="Predictions per second.")] = None,
    concurrent_requests: Annotated[int | None, typer.Option(help="Simultaneous predictions.")] = None,
    dataset_bytes: Annotated[int | None, typer.Option(help="Bytes of all uploaded images.")] = None,
    queued_jobs: Annotated[int | None, typer.Option(help="Jobs that wait for a worker.")] = None,
) -> None:
    """Add a key and print it; it is not shown again. Running services accept it within DUET_POLL_SECONDS."""
    require_serve("duet keys add")
    from pydantic import ValidationError

    from core.errors import ConfigurationError, explain
    from core.files.home import duet_home
    from service.security.key_store import add_key

    limits = {
        "requests_per_second": requests_per_second,
        "concurrent_requests": concurrent_requests,
        "dataset_bytes": dataset_bytes,
        "queued_jobs": queued_jobs,
    }
    expires = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    try:
        wanted = KeyRequest.model_validate({"name": name, "scope": scope, "expires": expires, "limits": limits})
    except ValidationError as error:
        raise ConfigurationError(explain(error)) from None
    _show(add_key(duet_home(), wanted.name, wanted.scope, expires=wanted.expires, limits=wanted.limits), "added")


@app.command()
def rotate(
    key: Key,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=MAX_OVERLAP_HOURS, help="Hours for which the old secret stays valid.")
    ] = 0.0,
) -> None:
    """Give a key a new secret and print it; it is not shown again."""
    require_serve("duet keys rotate")
    from core.files.home import duet_home
    from service.security.key_store import rotate_key

    _show(rotate_key(duet_home(), key, overlap=timedelta(hours=overlap_hours)), "rotated")


@app.command()
def revoke(key: Key) -> None:
    """Revoke a key and its sessions. Running services refuse it within DUET_POLL_SECONDS."""
    require_serve("duet keys revoke")
    from core.files.home import duet_home
    from service.security.key_store import revoke_key

    revoked = revoke_key(duet_home(), key)
    note(f"revoked {revoked.name} ({revoked.id})")


def _show(new: NewKey, what: str) -> None:
    """Print the secret on stdout and the rest on stderr, so that scripts can capture the secret."""
    typer.echo(new.secret)
    note(f"{what} {new.key.name} ({new.key.id}), scope {new.key.scope}; the key above is not shown again")
