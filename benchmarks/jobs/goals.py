"""What was measured, and against the goals. A figure of a job is the median over jobs, a ratio that over rounds."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from benchmarks.jobs.results import Circumstance, Results
from benchmarks.serving.goals import Goal, compared
from benchmarks.serving.spread import Spread, percentile, spread

WORDS: dict[Circumstance, str] = {
    "first": "the first job of an API process, worker idle",
    "idle": "worker idle",
    "free": "sent as the job before ends",
    "queued": "waiting behind a job, from its end",
}
_MAX_TO_CLAIM_MS = 500.0
_MAX_TO_BROWSER_MS = 200.0
_MAX_P99_RATIO = 3.0
_MAX_IDLE_CPU = 1.0


def judge(results: Results) -> Iterator[Goal]:
    """Every goal that this run measured something for."""
    for circumstance, words in WORDS.items():
        claims = [begun.claimed_ms for begun in results.begun if begun.circumstance == circumstance]
        if claims:
            yield compared(f"to the claim, ms: {words}", spread(claims), operator.le, _MAX_TO_CLAIM_MS, digits=0)
    if results.heard_ms:
        for percent in (50, 99):
            value = percentile(results.heard_ms, percent)
            what = f"event stored to read by a client, p{percent} of {len(results.heard_ms)}, ms"
            yield compared(what, Spread(value, value, value), operator.le, _MAX_TO_BROWSER_MS, digits=0)
    if results.pairs:
        ratio = spread(each.beside.p99_ms / each.alone.p99_ms for each in results.pairs)
        yield compared("p99 of /predict beside a training, over without", ratio, operator.le, _MAX_P99_RATIO)
    if results.idle_worker_cpu is not None:
        share = 100 * results.idle_worker_cpu
        yield compared("CPU of the idle worker, % of a core", Spread(share, share, share), operator.le, _MAX_IDLE_CPU)


def figures(results: Results) -> Iterator[tuple[str, str]]:
    """What is reported beside, and what the ratio is made of."""
    for circumstance, words in WORDS.items():
        steps = [begun.first_step_ms for begun in results.begun if begun.circumstance == circumstance]
        if steps:
            yield f"claim to first step, ms: {words}", spread(steps).text(0)
    if results.pairs:
        for name, asked in (("without", [each.alone for each in results.pairs]),
                            ("beside a training", [each.beside for each in results.pairs])):  # fmt: skip
            yield f"/predict {name}, p50, ms", spread(each.p50_ms for each in asked).text(2)
            yield f"/predict {name}, p99, ms", spread(each.p99_ms for each in asked).text(2)
        yield (
            "steps of the training per second meanwhile",
            spread(each.steps_per_second for each in results.pairs).text(1),
        )
