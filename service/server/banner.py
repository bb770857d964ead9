"""Start message of `duet serve`: the address and the generated API key."""

from __future__ import annotations

from service.security.key_file import generated_key
from service.settings import Settings


def announce(address: str, settings: Settings) -> None:
    """Print the address, and the API key if it was generated."""
    several = f" ({settings.workers} workers)" if settings.workers > 1 else ""
    lines = [f"Duet is listening on {address}{several}"]
    if settings.api_keys is None:
        key = generated_key(settings.home)
        lines.append(f"The key for whatever changes something is {key} (`duet key` shows it again)")
    print("\n".join(lines), flush=True)
