"""`duet key`: print the generated API key."""

from __future__ import annotations

import typer

from duet.commands.extras import require_serve


def key() -> None:
    """Print the API key for routes that change state; it is generated if it does not exist yet."""
    require_serve("duet key")
    from core.errors import ConfigurationError
    from service.security.key_file import generated_key
    from service.settings import read_settings

    settings = read_settings()
    if settings.api_keys is not None:
        raise ConfigurationError("no key is generated if DUET_API_KEYS is set: use one of its keys")
    typer.echo(generated_key(settings.home))
