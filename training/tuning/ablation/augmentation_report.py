"""Report of the augmentation study: a page with a table, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from training.plots.style import LIGHT, error_bars, save_small
from training.plots.templates import template_environment
from training.tuning.ablation.augmentation import STEPS, Cell, Run, Study, cells, changed_settings, strengths

PAGE_NAME, FIGURE_NAME = "README.md", "augmentation.png"
_MARKERS = "osd^"


def write_report(folder: Path, study: Study) -> Path:
    """Write README.md and augmentation.png to `folder`; returns the page.

    Raises:
        ConfigurationError: there are fewer than two seeds.
        OSError: the folder cannot be written.
    """
    found = cells(study.runs)
    save_small(figure(found), folder / FIGURE_NAME)
    page = folder / PAGE_NAME
    page.write_text(_page(found, study), encoding="utf-8")
    return page


def figure(found: Sequence[Cell]) -> Figure:
    """Draw the mean accuracy of each step with its 95 % interval and one dot per seed, one line per recipe."""
    drawn = Figure(figsize=(7, 3.8), layout="constrained")
    axes = drawn.subplots()
    for number, recipe in enumerate(dict.fromkeys(one.recipe for one in found)):
        color, marker = LIGHT.parts[number % len(LIGHT.parts)], _MARKERS[number % len(_MARKERS)]
        some = [one for one in found if one.recipe == recipe]
        places = [STEPS.index(one.step) for one in some]
        means, reach = error_bars([one.accuracy for one in some])
        axes.errorbar(places, means, yerr=reach, color=color, marker=marker, capsize=3, label=recipe)
        for place, one in zip(places, some, strict=True):
            axes.scatter([place] * len(one.accuracies), one.accuracies, color=color, s=8, alpha=0.5)
    ranks = sorted({STEPS.index(one.step) for one in found})
    axes.set_xticks(ranks, [STEPS[rank] for rank in ranks])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.margins(x=0.1)
    axes.set_xlabel("step, added to those before it")
    axes.set_ylabel("validation accuracy")
    axes.grid(axis="y", color=LIGHT.grid)
    axes.legend(frameon=False, loc="lower right")
    return drawn


def _page(found: Sequence[Cell], study: Study) -> str:
    environment = template_environment(Path(__file__).parent)
    environment.filters["percent"] = "{:.2%}".format
    return environment.get_template("augmentation.md.j2").render(
        cells=found,
        study=study,
        recipes=", ".join(_recipe(run, study) for run in {run.recipe: run for run in study.runs}.values()),
        minutes=sum(run.seconds for run in study.runs) / 60,
    )


def _recipe(run: Run, study: Study) -> str:
    """Return the recipe with its epochs, the strengths of its steps and its changed settings."""
    strong = strengths(study, run.recipe)
    changed = {key: value for key, value in changed_settings(run).items() if key.split(".")[-1] not in strong}
    changes = ", ".join(f"{name} {value}" for name, value in (strong | changed).items())
    return f"{run.recipe} {run.config['epochs']} epochs" + (f" ({changes})" if changes else "")
