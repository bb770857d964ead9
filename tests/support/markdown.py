"""Fenced code blocks of the project's pages, and the test of each.

`bash` and `python` blocks are run against a service that all pages share; a `json` or `text` block after one is its
expected output. A comment on the line above names the test of any other block:

    <!-- not run: reason -->
    <!-- parsed: reason --> the arguments of its commands are parsed but not executed
    <!-- run by: tests/.../test_this.py::test_that -->
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
RUN = ("bash", "python")
ANSWERS = ("json", "text")
_FENCE = re.compile(r"^(?:<!-- (not run|parsed|run by): (.+?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: relative to the project's root.
        line: of the page, on which the fence or the comment above it begins.
        mark: `not run`, `parsed` or `run by`, and "" of blocks that are run with their page.
        said: what the comment says after that.
    """

    page: str
    line: int
    language: str
    text: str
    mark: str
    said: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
    return [
        Block(name, text.count("\n", 0, m.start()) + 1, m[3], m[4], m[1] or "", m[2] or "")
        for m in _FENCE.finditer(text)
    ]


def anchors(page: Path) -> set[str]:
    """Names that links can have after `#`: slugs of the headings as on GitHub, and explicit `<a id="...">`."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = 1
        while (name := slug if number == 1 else f"{slug}-{number - 1}") in found:
            number += 1
        found.add(name)
    return found
