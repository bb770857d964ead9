"""`duet datasets`: list and delete data sets of labelled images, and print the trail of deletions."""

from __future__ import annotations

from typing import Annotated

import typer

from duet.commands.completion import complete_dataset
from duet.commands.delete import Yes, confirm
from duet.commands.models import Actor, AsJson, Reason, login, print_json

app = typer.Typer(help="List and delete data sets of labelled images.", no_args_is_help=True)


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List the data sets with their classes, images, size and the reasons why one cannot be trained on."""
    from core.files.home import duet_home
    from core.images.labelled_folders import dataset_names, datasets_folder, read_folder

    home = duet_home()
    folders = [read_folder(home, name) for name in dataset_names(home)]
    if as_json:
        print_json(
            [
                {
                    "name": folder.name,
                    "data": folder.data,
                    "classes": {label: len(files) for label, files in folder.files.items()},
                    "images": folder.images,
                    "bytes": folder.bytes,
                    "shortfalls": folder.shortfalls(),
                }
                for folder in folders
            ]
        )
        return
    if not folders:
        typer.echo(f"no data sets in {datasets_folder(home)}: create NAME/CLASS/IMAGE there, or upload images")
    for folder in folders:
        problems = folder.shortfalls()
        typer.echo(
            f"{folder.data}: {folder.images:,} images of {len(folder.files)} classes, {folder.bytes / 1e6:.1f} MB"
            + (f"; not trainable: {'; '.join(problems)}" if problems else "")
        )


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_dataset)],
    reason: Reason,
    yes: Yes = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Delete a data set with its images permanently; asks first. Versions that were trained on it remain."""
    from core.files.home import duet_home
    from core.images.dataset_deletion import delete_dataset
    from core.images.labelled_folders import FOLDER_PREFIX, read_folder

    home = duet_home()
    folder = read_folder(home, name.removeprefix(FOLDER_PREFIX))
    confirm(f"delete {folder.path} with {folder.images:,} images of {len(folder.files)} classes, permanently?", yes=yes)
    entry = delete_dataset(home, folder.name, actor=actor or login(), reason=reason)
    if as_json:
        print_json(entry.model_dump(mode="json"))
    else:
        typer.echo(f"deleted {entry.name}: {entry.images:,} images")


@app.command()
def history(as_json: AsJson = False) -> None:
    """Print the trail of deleted data sets, oldest first."""
    from core.files.home import duet_home
    from core.images.dataset_deletion import deletions

    entries = deletions(duet_home())
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
    for entry in [] if as_json else entries:
        moment = entry.at.astimezone().strftime("%Y-%m-%d %H:%M")
        typer.echo(f"{moment} {entry.name}: {entry.images:,} images, by {entry.actor}: {entry.reason}")
    if not entries and not as_json:
        typer.echo("no data set was deleted yet")
