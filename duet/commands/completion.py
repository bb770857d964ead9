"""Shell completion of recipes, versions, families and data sets; `duet --install-completion` installs it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from itertools import pairwise

BASH_BREAKS = "@:="
"""Characters of references, data sets and settings at which bash splits words (COMP_WORDBREAKS)."""


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipes that begin with `incomplete`."""
    from core.recipes import RECIPES

    return _beginning(sorted(RECIPES), incomplete)


def complete_version(incomplete: str) -> list[str]:
    """Return the families, for their champions, and versions such as cnn@3 that begin with `incomplete`."""
    return _beginning(_unless_unreadable(_references), incomplete)


def complete_family(incomplete: str) -> list[str]:
    """Return the model families that begin with `incomplete`."""
    from core.repository.repository import ModelRepository

    return _beginning(_unless_unreadable(lambda: ModelRepository.open().families()), incomplete)


def complete_dataset(incomplete: str) -> list[str]:
    """Return the names of the labelled folders that begin with `incomplete`."""
    return _beginning(_unless_unreadable(_datasets), incomplete)


def complete_data(incomplete: str) -> list[str]:
    """Return cifar10 and labelled folders such as folder:pets that begin with `incomplete`."""
    from core.images.labelled_folders import FOLDER_PREFIX

    folders = (FOLDER_PREFIX + name for name in _unless_unreadable(_datasets))
    return _beginning(["cifar10", *folders], incomplete)


def complete_in_bash(app: Callable[[], None]) -> None:
    """Run `app` for a completion request of bash, whose words are split at `@`, `:` and `=`.

    bash passes `cnn@3` as the three words `cnn`, `@` and `3`, and replaces only the last one. The words are joined
    before `app` reads them, and the part up to the last separator is removed from the completions.
    """
    words, position = os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"])
    joined = _joined(words[: position + 1])
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)
    value = joined[-1].partition("=")[2] if joined[-1].startswith("--") else joined[-1]
    kept = value[: 1 + max(value.rfind(character) for character in BASH_BREAKS)]
    captured = io.StringIO()
    try:
        with redirect_stdout(captured):
            app()
    finally:
        for line in captured.getvalue().split():
            print(line.removeprefix(kept))


def _joined(words: list[str]) -> list[str]:
    """Join words that bash split; a separator belongs to the words on both sides."""
    joined = words[:1]
    for before, word in pairwise(words):
        separated = [bool(each) and not each.strip(BASH_BREAKS) for each in (before, word)]
        if any(separated):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _references() -> Iterator[str]:
    from core.repository.repository import ModelRepository

    repository = ModelRepository.open()
    for family in repository.families():
        yield family
        yield from (f"{family}@{version}" for version in repository.versions(family))


def _datasets() -> list[str]:
    from core.files.home import duet_home
    from core.images.labelled_folders import dataset_names

    return dataset_names(duet_home())


def _unless_unreadable(names: Callable[[], Iterable[str]]) -> list[str]:
    """Return the names, or none if they cannot be read: an error would be printed into the command line."""
    from core.errors import DuetError

    try:
        return list(names())
    except DuetError:
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
