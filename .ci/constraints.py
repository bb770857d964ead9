"""Write constraints.txt and constraints-oldest.txt: `python .ci/constraints.py`, in an environment with all extras.

constraints.txt has the version of every package that is installed here and that the project or one of its extras asks
for, itself or through others: what `make`, CI and the images install. constraints-oldest.txt has the lower bounds of
what the service asks for, with which `make test-oldest` runs its tests.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
# torch names these itself, to the last digit, and others for another machine.
OF_TORCH = re.compile(r"(cuda|nvidia)-|triton$")


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (ROOT / "constraints.txt").write_text("".join(f"{line}\n" for line in locked(project)), encoding="utf-8")
    (ROOT / "constraints-oldest.txt").write_text("".join(f"{line}\n" for line in oldest(project)), encoding="utf-8")


def locked(project: dict[str, Any]) -> list[str]:
    """A line for every package that the project or an extra of it needs here."""
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    found: dict[str, str] = {}
    waiting = [Requirement(line) for line in [*project["dependencies"], *extras]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        needed = f"{name}[{','.join(sorted(requirement.extras))}]"
        if needed in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[needed] = name
        waiting += _needed_by(name, requirement.extras)
    names = sorted(set(found.values()))
    return [f"{name}=={version(name).partition('+')[0]}" for name in names if not OF_TORCH.match(name)]


def oldest(project: dict[str, Any]) -> list[str]:
    """A line for everything that the service needs, at its lower bound."""
    asked = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    return sorted(map(_lower_bound, map(Requirement, asked)))


def _needed_by(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        raise SystemExit(
            f"{name} is not installed: run `pip install -e '.[serve,training,benchmarks,dev]'` first"
        ) from None
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            requirement.marker = None
            yield requirement


def _lower_bound(requirement: Requirement) -> str:
    [bound] = [one.version for one in requirement.specifier if one.operator == ">="]
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{canonicalize_name(requirement.name)}=={bound}{marker}"


if __name__ == "__main__":
    main()
