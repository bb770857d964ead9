"""Code blocks of the pages: each is run, or has a comment with the reason why not; see tests/support/markdown.py."""

from __future__ import annotations

import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from duet.cli import app
from tests.support.markdown import ANSWERS, PAGES, ROOT, RUN, Block, anchors, blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]


def marked(mark: str) -> list[Block]:
    return [block for block in BLOCKS if block.mark == mark]


def commands(block: Block) -> list[list[str]]:
    """The commands of a block as words, without comments."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def test_pages_are_found() -> None:
    assert {"README.md", "docs/api.md", "benchmarks/README.md"} < {block.page for block in BLOCKS}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_code_fence_is_parsed(page: Path) -> None:
    assert len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_linked_pages_and_images_exist(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [name for name in linked if not (page.parent / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_linked_sections_exist(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)", page.read_text(encoding="utf-8"))
    missing = [
        f"{name}#{anchor}"
        for name, anchor in linked
        if (target := page.parent / name if name else page).suffix == ".md" and anchor not in anchors(target)
    ]
    assert missing == []


def test_every_block_runs_or_names_its_test() -> None:
    forgotten = [block.where for block in BLOCKS if not block.mark and block.language not in RUN + ANSWERS]
    assert forgotten == []


def test_output_blocks_follow_commands() -> None:
    for before, block in pairwise(BLOCKS):
        if block.language in ANSWERS and not block.mark:
            assert before.page == block.page, block.where
            assert before.language in RUN, block.where
            assert not before.mark, block.where


@pytest.mark.parametrize("block", marked("run by"), ids=lambda block: block.where)
def test_named_tests_exist(block: Block) -> None:
    path, _, test = block.said.partition("::")
    assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), block.said


@pytest.mark.parametrize("block", marked("parsed"), ids=lambda block: block.where)
def test_commands_accept_their_options(block: Block) -> None:
    known = 0
    for words in commands(block):
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        match words:
            case ["duet", *rest]:
                parse(typer.main.get_command(app), rest)
            case ["python", "-m", module, *rest] if module.startswith("benchmarks."):
                alone = typer.Typer()
                alone.command()(importlib.import_module(f"{module}.__main__").main)
                parse(typer.main.get_command(alone), rest)
            case ["pip" | "apt-get", "install", *_]:
                continue
            case _:
                pytest.fail(f"{block.where}: nobody can parse {' '.join(words)}")
        known += 1
    assert known


def parse(command: Any, words: list[str]) -> None:
    """Read the words as the command does, down to the last sub-command, and do nothing."""
    context = command.make_context("page", list(words))
    if hasattr(command, "resolve_command"):
        _, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parse(below, rest)


@pytest.mark.parametrize(
    "words", [["tune", "mlp_best", "--nonsense"], ["study", "none"], ["models", "promote"], ["no"]]
)
def test_unknown_option_is_found(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        parse(typer.main.get_command(app), words)
