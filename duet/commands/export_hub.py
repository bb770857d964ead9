"""`duet models export-hub`: write a version in the layout of a model hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from duet.commands.common import Reference
from duet.commands.models import open_repository


def export_hub(
    reference: Reference,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder.")],
) -> None:
    """Write a version to a new folder as model hubs expect it: card, safetensors, ONNX graphs, configuration."""
    from core.repository.hub_export import export_to_hub_layout

    repository = open_repository()
    manifest = export_to_hub_layout(repository, *repository.resolve(reference), folder)
    typer.echo(f"exported {manifest.reference} to {folder}")
    typer.echo(f"to publish it on Hugging Face: hf upload USER/NAME {folder}")
