"""Help text of `duet tune`: number of planned trials."""

from __future__ import annotations

import sys

import pytest

from core.recipes import RECIPES, recipe_config
from duet.cli import main
from training.tuning.space import space_for


def test_the_help_says_how_many_trials_are_planned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["duet", "tune", "--help"])
    with pytest.raises(SystemExit):
        main()
    said = " ".join(capsys.readouterr().out.split())
    assert "8 or 9 planned trials, 13 for a whitened network" in said
    for recipe in RECIPES:
        config = recipe_config(recipe)
        assert len(space_for(config).planned()) in ((13,) if "whitening" in space_for(config).dimensions else (8, 9))
