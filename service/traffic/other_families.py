"""Answers of other families for captured pictures, in idle time and with little of the processor's time.

Pictures for which there is no time are stored without an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from service.engine.engine import Engine
from service.engine.loaded_model import ModelVariant
from service.engine.observer import ModelAnswer
from service.engine.postprocess import Outputs
from service.traffic.idle_runs import IdleRuns
from service.traffic.sample import Sample

log = logging.getLogger("duet.traffic")
TIME_SHARE = 0.02
"""Share of the time of one thread that the runs may take on average."""

Answers = dict[int, list[ModelAnswer]]
"""Answers by the position of the sample."""


class OtherFamilies:
    """Asks the champions of the families that did not answer a request, if they have its classes and input size."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the event loop of the engine."""
        self._engine = engine
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._runs = IdleRuns(engine, time_share=TIME_SHARE)

    def ask(self, samples: Sequence[Sample]) -> list[Future[list[ModelAnswer]]]:
        """Ask for the answers to each sample; called by any thread. Cancelled futures are not answered."""
        futures: list[Future[list[ModelAnswer]]] = [Future() for _ in samples]
        try:
            self._loop.call_soon_threadsafe(self._start, samples, futures)
        except RuntimeError:  # the loop is closed
            _resolve(futures, {})
        return futures

    def close(self) -> None:
        """Stop all work; call it on the event loop."""
        if self._task is not None:
            self._task.cancel()

    def _start(self, samples: Sequence[Sample], futures: Sequence[Future[list[ModelAnswer]]]) -> None:
        if self._task is not None and not self._task.done():
            _resolve(futures, {})
            return
        self._task = self._loop.create_task(self._answer(samples, futures))

    async def _answer(self, samples: Sequence[Sample], futures: Sequence[Future[list[ModelAnswer]]]) -> None:
        answers: Answers = defaultdict(list)
        try:
            for served in [loaded.default for loaded in self._engine.models.champions.values()]:
                asked = [position for position, sample in enumerate(samples) if _can_answer(served, sample)]
                await self._run(served, asked, samples, futures, answers)
        except Exception:
            log.exception("another family could not answer captured pictures")
        _resolve(futures, answers)

    async def _run(
        self,
        served: ModelVariant,
        asked: Sequence[int],
        samples: Sequence[Sample],
        futures: Sequence[Future[list[ModelAnswer]]],
        answers: Answers,
    ) -> None:
        """Answer the samples at the positions `asked` in small batches, until the time is used up."""
        images = [image for position in asked for image in samples[position].answered.images]
        parts, done = list[Outputs](), 0
        while done < len(images) and not all(futures[position].done() for position in asked):
            if self._runs.seconds_to_wait() > 0:
                break
            parts.append(await self._runs.run(served, images[done:]))
            done += len(parts[-1].energies)
        if not parts:
            return
        outputs, start = Outputs.joined(parts), 0
        for position in asked:
            stop = start + len(samples[position].answered.images)
            if stop <= done:
                answers[position].append(ModelAnswer(served, outputs.rows(start, stop), served.calibration))
            start = stop


def _can_answer(served: ModelVariant, sample: Sample) -> bool:
    given = [*sample.answered.answers, *sample.further]
    first = given[0].served
    return (
        sample.origin == "capture"
        and served.family not in {answer.served.family for answer in given}
        and served.labels == first.labels
        and served.size == first.size
    )


def _resolve(futures: Sequence[Future[list[ModelAnswer]]], answers: Answers) -> None:
    for position, future in enumerate(futures):
        with suppress(InvalidStateError):  # the writer no longer waits
            future.set_result(answers.get(position, []))
