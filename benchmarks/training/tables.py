"""What was measured, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.serving.tables import TextTable
from benchmarks.training.run import Results
from benchmarks.training.steps import PARTS

MAX_AUGMENTATION = 0.05
"""Share of a step that augmentation may take."""


def tables(results: Sequence[Results]) -> list[TextTable]:
    """Where the time goes, how near the machine's ceiling, and the race, where there was one."""
    found = [_steps(results), _ceiling(results)]
    return [*found, _race(results)] if any(one.racers for one in results) else found


def _steps(results: Sequence[Results]) -> TextTable:
    rows = []
    for one in results:
        parts = [f"{1000 * one.step.seconds[part]:.1f} ({one.step.share(part):.1%})" for part in PARTS]
        kept = "yes" if one.step.share("augmentation") <= MAX_AUGMENTATION else "no"
        rows.append((one.recipe, one.dtype, f"{one.step.images_per_second:,.0f}", *parts, kept))
    headings = (
        "recipe", ">compute type", ">images/s", *(f">{part} ms" for part in PARTS),
        f">augmentation at most {MAX_AUGMENTATION:.0%}",
    )  # fmt: skip
    return TextTable("A step", headings, tuple(rows))


def _ceiling(results: Sequence[Results]) -> TextTable:
    rows = tuple(
        (
            one.recipe,
            f"{one.macs / 1e6:.1f}",
            f"{one.flops / 1e9:,.0f}",
            f"{one.ceiling / 1e9:,.0f}",
            f"{one.flops / one.ceiling:.1%}",
        )
        for one in results
    )
    headings = ("recipe", ">M multiply-accumulates", ">GFLOP/s of a step", ">GFLOP/s of a matrix product", ">share")
    return TextTable("Against the machine's ceiling", headings, rows)


def _race(results: Sequence[Results]) -> TextTable:
    rows = []
    for one in results:
        for racer in one.racers:
            reached = racer.seconds_to_target
            rows.append(
                (
                    one.recipe,
                    racer.name,
                    f"{racer.images_per_second:,.0f}",
                    f"{racer.target:.0%}",
                    f"not in {len(racer.seconds)} epochs" if reached is None else f"{reached:.0f}",
                    f"{racer.accuracies[-1]:.2%}",
                    f"{sum(racer.seconds):.0f}",
                )
            )
    headings = (
        "network of",
        "trained by",
        ">images/s",
        ">target",
        ">seconds to it",
        ">accuracy at the end",
        ">seconds",
    )
    return TextTable("A race, validation included", headings, tuple(rows))
