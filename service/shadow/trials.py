"""Shadow trials of one process: starts and ends them, runs their challengers, and promotes after a verdict.

All state is in DUET_HOME/trials. Every process polls it, so that a trial that one process starts begins in the others
within `poll_seconds`, and any process that sees a reason ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from core.repository.repository import ModelRepository
from core.schemas.shadow import ShadowTrial
from core.trials.errors import NoTrialError
from core.trials.records import Trial, TrialPlan
from core.trials.start import start_trial
from core.trials.store import TrialStore
from service.engine.engine import Engine
from service.errors import ProblemError
from service.models.promotions import Promotions
from service.settings import Settings
from service.shadow.counts import TrialCounter
from service.shadow.evaluation import TrialEvaluation, promotion_is_due
from service.shadow.promotion import promote_pending
from service.shadow.runner import ShadowRunner
from service.traffic.capture import Traffic
from service.traffic.record import traffic_folder
from service.traffic.segments import FOLDER_MODE

log = logging.getLogger("duet.shadow")
Publish = Callable[[Sequence[ShadowTrial]], None]


class ShadowTrials:
    """The trials that concern this process; used from one event loop."""

    def __init__(
        self,
        home: Path,
        repository: ModelRepository,
        engine: Engine,
        traffic: Traffic,
        promotions: Promotions,
        *,
        publish: Publish,
        poll_seconds: float,
    ) -> None:
        """Create the object; `watch` runs as a background task.

        Args:
            home: the home of the service.
            repository: of the versions.
            engine: answers requests, and runs the challengers while no prediction waits.
            traffic: stores the disagreements.
            promotions: promotes after a verdict.
            publish: called with the trials that are running or have just ended.
            poll_seconds: interval at which the trials are read.
        """
        self._home = home
        self._repository = repository
        self._engine = engine
        self._traffic = traffic
        self._promotions = promotions
        self._publish = publish
        self._poll_seconds = poll_seconds
        self._store = TrialStore(home)
        self._evaluation = TrialEvaluation(home, repository, self._store)
        self._runners: dict[str, tuple[ShadowRunner, TrialCounter]] = {}
        self._refused: set[str] = set()
        self._newest: dict[str, ShadowTrial] = {}
        self._polling = asyncio.Lock()

    @property
    def is_running(self) -> bool:
        """True if this process compares requests."""
        return bool(self._runners)

    @property
    def newest(self) -> tuple[ShadowTrial, ...]:
        """The newest trial of each family at the last poll, by family."""
        return tuple(self._newest[family] for family in sorted(self._newest))

    async def start(self, family: str, plan: TrialPlan, *, by: str) -> ShadowTrial:
        """Start a trial; this process begins at once.

        Raises:
            UnknownFamilyError, UnknownVersionError: there is no such version.
            VersionRefusedError: the challenger cannot be run.
            TrialNotPossibleError, TrialRunningError: see `core.trials.start`.
            OSError: the trial cannot be stored.
        """
        await self._engine.models.find(family, plan.version)  # a challenger that cannot be served must not start
        trial = await asyncio.to_thread(partial(start_trial, self._repository, self._store, family, plan, by=by))
        log.warning(
            "shadow trial of %s@%d against the champion %s@%d: their disagreements on %g of the requests are stored",
            family,
            trial.challenger,
            family,
            trial.champion,
            plan.share,
            extra={"trial": trial.id, "actor": by},
        )
        await self.poll()
        return await self.status(family)

    async def status(self, family: str) -> ShadowTrial:
        """The running or else the newest trial of a family.

        Raises:
            UnknownFamilyError: there is no such family.
            NoTrialError: it has no trial.
        """
        trial = await asyncio.to_thread(self._store.latest_of, family)
        if trial is None:
            await asyncio.to_thread(self._repository.versions, family)
            raise NoTrialError(family)
        return await asyncio.to_thread(self._evaluation.status, trial)

    async def end(self, family: str, *, by: str, note: str) -> ShadowTrial:
        """End the running trial of a family; if the newest one has ended by itself, nothing changes.

        Raises:
            UnknownFamilyError, NoTrialError: see `status`.
            OSError: the end cannot be stored.
        """
        trial = await asyncio.to_thread(self._store.latest_of, family)
        if trial is not None:
            await self.poll()
            await asyncio.to_thread(partial(self._evaluation.end_by_request, trial, by=by, note=note))
            await self.poll()
        return await self.status(family)

    async def poll(self) -> None:
        """Begin new trials, evaluate running ones, stop the challengers of ended ones, and promote after a verdict."""
        async with self._polling:
            await self._save_counts()
            trials = await asyncio.to_thread(self._evaluation.evaluate)
            running = {each.id: trial for trial, each in trials if each.running}
            for trial_id in self._runners.keys() - running.keys():
                self._stop(trial_id)
            for trial in running.values():
                if trial.id not in self._runners:
                    await self._begin(trial)
            if trials:
                self._newest |= {trial.family: each for trial, each in trials}
                self._publish([each for _, each in trials])
            for trial, each in trials:
                if promotion_is_due(each):
                    await promote_pending(self._store, self._repository, self._promotions, trial)
                    self._newest[trial.family] = await asyncio.to_thread(self._evaluation.status, trial)

    async def watch(self) -> None:
        """Poll until cancelled; errors are logged and do not end the task."""
        failed = False
        while True:
            try:
                await self.poll()
                failed = False
            except Exception:
                if not failed:
                    log.exception("the shadow trials could not be read")
                failed = True
            await asyncio.sleep(self._poll_seconds)

    def close(self) -> None:
        """Stop the challengers and store the counts; blocks for a moment."""
        for trial_id in list(self._runners):
            self._stop(trial_id)

    async def _begin(self, trial: Trial) -> None:
        """Load the challenger, and let it see the requests; tried again at the next poll if it cannot be loaded."""
        try:
            challenger = await self._engine.models.find(trial.family, trial.challenger)
        except ProblemError as error:
            if trial.id not in self._refused:
                log.error("the challenger of trial %s does not run in this process: %s", trial.id, error)
            self._refused.add(trial.id)
            return
        await asyncio.to_thread(
            partial(traffic_folder(self._home).mkdir, mode=FOLDER_MODE, parents=True, exist_ok=True)
        )
        self._traffic.start()
        counter = TrialCounter(self._store.folder_of(trial))
        runner = ShadowRunner(trial, challenger, self._engine, counter, self._traffic.put)
        self._runners[trial.id] = runner, counter
        self._engine.observers = (*self._engine.observers, runner.observe)

    def _stop(self, trial_id: str) -> None:
        runner, counter = self._runners.pop(trial_id)
        self._engine.observers = tuple(each for each in self._engine.observers if each != runner.observe)
        runner.close()
        try:
            counter.save(counter.snapshot())
        except OSError as error:
            log.warning("the last counts of trial %s are lost: %s", trial_id, error)

    async def _save_counts(self) -> None:
        for _, counter in list(self._runners.values()):
            await asyncio.to_thread(counter.save, counter.snapshot())


@contextmanager
def shadowing(
    settings: Settings,
    repository: ModelRepository,
    engine: Engine,
    traffic: Traffic,
    promotions: Promotions,
    publish: Publish,
) -> Iterator[ShadowTrials]:
    """Watch the trials during the context; `ShadowTrials` describes the arguments. Leaving it stores the counts."""
    trials = ShadowTrials(
        settings.home,
        repository,
        engine,
        traffic,
        promotions,
        publish=publish,
        poll_seconds=settings.poll_seconds,
    )
    watching = asyncio.create_task(trials.watch())
    try:
        yield trials
    finally:
        watching.cancel()
        trials.close()
