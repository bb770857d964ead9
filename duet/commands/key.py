"""`duet key`: the API key that was generated."""

from __future__ import annotations

import typer

from duet.commands.extras import require_serve


def key() -> None:
    """Print the key for routes that change anything; made now where the service has not made it yet."""
    require_serve("duet key")
    from core.errors import ConfigurationError
    from service.security.key_file import generated_key
    from service.settings import read_settings

    settings = read_settings()
    if settings.api_keys is not None:
        raise ConfigurationError("none is generated: the keys are those of DUET_API_KEYS")
    typer.echo(generated_key(settings.home))
