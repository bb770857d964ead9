"""Start-up messages of `duet serve`: the address, the generated API key, and a warning when there are no models."""

from __future__ import annotations

from core.files.home import no_versions
from core.repository.repository import MODELS_NAME, ModelRepository
from service.security.key_file import generated_key
from service.settings import Settings


def announce(address: str, settings: Settings) -> None:
    """Print the address, a warning if the model repository is empty, and the API key if it was generated."""
    several = f" ({settings.workers} workers)" if settings.workers > 1 else ""
    lines = [f"Duet is listening on {address}{several}"]
    repository = ModelRepository(home_models=settings.home / MODELS_NAME, shipped=settings.shipped_models)
    if not repository.families():
        lines.append(f"No model to serve yet: {no_versions(repository.shipped, repository.home_models)}")
    if settings.api_keys is None:
        key = generated_key(settings.home)
        lines.append(f"API key for requests that change something: {key} (`duet key` shows it again)")
    print("\n".join(lines), flush=True)
