"""Challenger of a shadow trial in one process: answers chosen requests in idle time and compares the answers.

The event loop only appends chosen requests to a bounded queue. The challenger runs while no prediction waits and takes
at most TIME_SHARE of the time of a thread. A request for which there is no time is dropped, regardless of its answer.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from core.trials.records import Trial
from service.engine.engine import Engine
from service.engine.loaded_model import ModelVariant
from service.engine.observer import AnsweredRequest, ModelAnswer
from service.engine.postprocess import Outputs
from service.shadow.counts import TrialCounter
from service.traffic.idle_runs import IdleRuns
from service.traffic.sample import Sample

log = logging.getLogger("duet.shadow")
TIME_SHARE = 0.03
"""Share of the time of one thread that a challenger may take on average."""
MAX_WAITING_IMAGES = 256
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Limits of the images that wait for the challenger."""
MAX_WAITING_SECONDS = 5.0
"""Age at which a request is dropped; deletions reach requests in memory that are up to SETTLE_SECONDS old."""


class _Waiting(NamedTuple):
    answered: AnsweredRequest
    champion: ModelAnswer
    time: datetime
    since: float
    bytes: int


class ShadowRunner:
    """The challenger of one trial; used on the event loop of the engine."""

    def __init__(
        self,
        trial: Trial,
        challenger: ModelVariant,
        engine: Engine,
        counter: TrialCounter,
        store: Callable[[Sample], None],
    ) -> None:
        """Create the runner.

        Args:
            trial: the trial.
            challenger: the loaded challenger.
            engine: the engine, whose champion answers.
            counter: counts the compared images.
            store: stores a sample; returns at once.
        """
        self._trial = trial
        self._challenger = challenger
        self._engine = engine
        self._counter = counter
        self._store = store
        self._random = random.Random()
        self._runs = IdleRuns(engine, time_share=TIME_SHARE)
        self._queue: deque[_Waiting] = deque()
        self._waiting_images = self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def observe(self, answered: AnsweredRequest) -> None:
        """Choose a request that the champion has answered, with the probability of the trial."""
        champion = self._champion_answer(answered)
        if champion is None or self._random.random() >= self._trial.plan.share:
            return
        images = len(answered.images)
        size = sum(image.nbytes for image in answered.images)
        if self._waiting_images + images > MAX_WAITING_IMAGES or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self._counter.drop(images)
            return
        self._waiting_images += images
        self._waiting_bytes += size
        self._queue.append(_Waiting(answered._replace(uploads=()), champion, datetime.now(UTC), time.monotonic(), size))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._answer_waiting())

    def close(self) -> None:
        """Stop, and drop what waits."""
        if self._task is not None:
            self._task.cancel()
        self._counter.drop(self._waiting_images)
        self._queue.clear()
        self._waiting_images = self._waiting_bytes = 0

    def _champion_answer(self, answered: AnsweredRequest) -> ModelAnswer | None:
        """The answer of the champion as it is served by default, for images that the challenger can read."""
        loaded = self._engine.models.champions.get(self._trial.family)
        if loaded is None or loaded.version != self._trial.champion:
            return None
        for answer in answered.answers:
            if answer.served is loaded.default and not answer.tta:
                is_same_size = answered.images[0].shape[:2] == self._challenger.size
                return answer if is_same_size else None
        return None

    async def _answer_waiting(self) -> None:
        while self._queue:
            waiting = self._queue[0]
            try:
                outputs = await self._run(waiting)
            except Exception:
                log.exception("the challenger of trial %s could not answer a request", self._trial.id)
                outputs = None
            self._queue.popleft()
            self._waiting_images -= len(waiting.answered.images)
            self._waiting_bytes -= waiting.bytes
            if outputs is None:
                self._counter.drop(len(waiting.answered.images))
            else:
                self._compare(waiting, outputs)

    async def _run(self, waiting: _Waiting) -> Outputs | None:
        """The challenger's answer; None if the request has become too old."""
        images, parts, done = waiting.answered.images, list[Outputs](), 0
        while done < len(images):
            await asyncio.sleep(self._runs.seconds_to_wait())
            if time.monotonic() - waiting.since > MAX_WAITING_SECONDS:
                return None
            parts.append(await self._runs.run(self._challenger, images[done:]))
            done += len(parts[-1].energies)
        return Outputs.joined(parts) if time.monotonic() - waiting.since <= MAX_WAITING_SECONDS else None

    def _compare(self, waiting: _Waiting, outputs: Outputs) -> None:
        labels = self._challenger.labels
        pairs = zip(waiting.champion.outputs.order, outputs.order, strict=True)
        same = [old[0] == new[0] for old, new in pairs]
        rows = [row for row, is_same in enumerate(same) if not is_same]
        agreed = Counter(labels[outputs.order[row][0]] for row, is_same in enumerate(same) if is_same)
        self._counter.add(agreed, len(rows))
        if rows:
            self._store(
                Sample(
                    waiting.answered,
                    waiting.time,
                    self._trial.plan.share,
                    origin="trial",
                    trial=self._trial.id,
                    further=[ModelAnswer(self._challenger, outputs, self._challenger.calibration)],
                    rows=rows,
                )
            )
