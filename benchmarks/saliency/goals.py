"""What was measured against the goals. A ratio is one of medians within a round; the median over rounds counts."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Iterator

from benchmarks.saliency.bare import BATCH, STEPS
from benchmarks.saliency.run import Results
from benchmarks.serving.goals import Goal, compared
from benchmarks.serving.spread import Spread, spread

_MAX_OF_FORWARD = 5.0
_MAX_OF_CAPTUM = 0.6
_MAX_P99 = 2.0
_MAX_REFUSED = 0.0
_MIN_OF_RAW = 0.9


def judge(results: Results) -> Iterator[Goal]:
    """Every goal that this run measured something for."""
    if _has(results, "served picture"):
        picture = _ratio(results, "served picture", "forward")
        yield compared(
            "served saliency, PNG, of one image over its fp32 forward time", picture, operator.le, _MAX_OF_FORWARD
        )
        yield _reported("the bare gradient graph over the same", _ratio(results, "gradient", "forward"))
    if _has(results, "served path"):
        what = f"integrated gradients, {STEPS} steps, over torch + captum"
        yield compared(f"{what}: served", _ratio(results, "served path", "captum"), operator.le, _MAX_OF_CAPTUM)
        yield compared(f"{what}: the bare graph", _ratio(results, "path", "captum"), operator.le, _MAX_OF_CAPTUM)
    if results.crowds:
        p99 = spread(each.beside_p99_ms / each.alone_p99_ms for each in results.crowds)
        what = "p99 of /predict at half load while explanations run flat out, over without"
        yield compared(what, p99, operator.le, _MAX_P99)
        refused = spread(each.refused for each in results.crowds)
        yield compared("share of those predictions that was refused", refused, operator.le, _MAX_REFUSED)
    if _has(results, "triton"):
        share = _ratio(results, "batch", "triton")
        what = f"tritonclient infer, batch {BATCH} uint8, images/s over onnxruntime's"
        yield compared(what, share, operator.ge, _MIN_OF_RAW)


def figures(results: Results) -> Iterator[tuple[str, str]]:
    """What the ratios are made of, in milliseconds."""
    for name in results.times[0]:
        yield f"{name}, ms", spread(1000 * statistics.median(each[name]) for each in results.times).text(2)
    if results.crowds:
        yield "predictions/s at capacity", spread(each.capacity_per_second for each in results.crowds).text(0)
        yield "p99 at half of that, ms", spread(each.alone_p99_ms for each in results.crowds).text(2)
        yield "p99 beside explanations, ms", spread(each.beside_p99_ms for each in results.crowds).text(2)
        yield "explanations/s meanwhile", spread(each.explained_per_second for each in results.crowds).text(1)


def _has(results: Results, name: str) -> bool:
    return name in results.times[0]


def _ratio(results: Results, over: str, under: str) -> Spread:
    return spread(statistics.median(each[over]) / statistics.median(each[under]) for each in results.times)


def _reported(what: str, measured: Spread) -> Goal:
    return Goal(what, "-", measured.text(2), None)
