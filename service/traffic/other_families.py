"""Answers of other families for captured pictures, on the idle lane: only while no prediction waits."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial

from service.engine.engine import Engine
from service.engine.loaded_model import ModelVariant
from service.engine.observer import ModelAnswer
from service.engine.postprocess import Outputs
from service.traffic.sample import Sample

log = logging.getLogger("duet.traffic")
MAX_WAITING = 16
"""Limit of samples that wait for other families; further ones are stored without their answers."""


class OtherFamilies:
    """Asks the champions of the families that did not answer a request, if they have its classes and input size."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the event loop of the engine."""
        self._engine = engine
        self._loop = loop
        self._waiting: set[asyncio.Task[None]] = set()

    def ask(self, sample: Sample) -> Future[list[ModelAnswer]]:
        """Ask for the answers to a sample; called by any thread. Cancelling the future stops the work."""
        future: Future[list[ModelAnswer]] = Future()
        try:
            self._loop.call_soon_threadsafe(self._start, sample, future)
        except RuntimeError:  # the loop is closed
            future.set_result([])
        return future

    def close(self) -> None:
        """Stop all work; call it on the event loop."""
        for task in self._waiting:
            task.cancel()

    def _start(self, sample: Sample, future: Future[list[ModelAnswer]]) -> None:
        answers = [*sample.answered.answers, *sample.further]
        first = answers[0].served
        families = {answer.served.family for answer in answers}
        others = [
            loaded.default
            for family, loaded in self._engine.models.champions.items()
            if family not in families and loaded.default.labels == first.labels and loaded.default.size == first.size
        ]
        if not others or len(self._waiting) >= MAX_WAITING:
            _resolve(future, [])
            return
        task = self._loop.create_task(self._answer(sample, others, future))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, sample: Sample, others: list[ModelVariant], future: Future[list[ModelAnswer]]) -> None:
        answers = []
        try:
            for served in others:
                parts: list[Outputs] = []
                for image in sample.answered.images:
                    if future.cancelled():
                        return
                    parts.append(await self._engine.run_background(partial(served.queue.run, image[None])))
                answers.append(ModelAnswer(served, Outputs.joined(parts), served.calibration))
        except Exception:
            log.exception("another family could not answer captured pictures")
        _resolve(future, answers)


def _resolve(future: Future[list[ModelAnswer]], answers: list[ModelAnswer]) -> None:
    with suppress(InvalidStateError):  # the writer no longer waits
        future.set_result(answers)
