"""Explainer: runs attribution methods with a concurrency limit and lower priority than predictions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from core.tracing.spans import Attributes, child_span
from service.engine.arrays import Pixels
from service.engine.gradient_model import GradientModel
from service.engine.loaded_model import ModelVariant
from service.engine.queue import DisconnectSource, Inference
from service.errors import (
    DeadlineExceededError,
    MethodDoesNotFitError,
    NoGradientError,
    TooManyExplanationsError,
    UnknownTargetError,
)
from service.saliency.baselines import baseline_image
from service.saliency.methods import METHODS, Attribution, MethodName, Parameters, Subject
from service.saliency.runs import InBackground, Runs

Result = TypeVar("Result")
_NEWEST_WEIGHT = 0.2
_FIRST_GUESS_SECONDS = 0.1


@dataclass(frozen=True)
class Explanation:
    """Attributions of one prediction by several methods.

    Attributes:
        subject: the explained prediction.
        attributions: one per method, in the requested order.
        run_seconds: time of model runs.
        queue_seconds: time spent waiting for predictions.
    """

    subject: Subject
    attributions: dict[MethodName, Attribution]
    run_seconds: float
    queue_seconds: float


class Explainer:
    """Computes explanations when no prediction waits; used from one event loop."""

    def __init__(self, in_background: InBackground, *, max_explanations: int) -> None:
        """`max_explanations` is the limit of simultaneous explanations."""
        self.in_background = in_background
        self._max_explanations = max_explanations
        self._running = 0
        self._mean_seconds = _FIRST_GUESS_SECONDS

    def check_capacity(self) -> None:
        """Raises TooManyExplanationsError if the limit is reached."""
        if self._running >= self._max_explanations:
            raise TooManyExplanationsError(self._running, self._mean_seconds)

    async def run_until(
        self, work: Callable[[], Coroutine[Any, Any, Result]], deadline: float, client: DisconnectSource
    ) -> Result:
        """Run `work` within the concurrency limit, and cancel it at the deadline or when the client disconnects.

        Args:
            work: computes and renders an explanation.
            deadline: on the clock of `time.perf_counter`.
            client: watched for disconnection during the work.

        Raises:
            TooManyExplanationsError: the limit is reached.
            DeadlineExceededError: the deadline has passed.
            ClientGoneError: the client has disconnected.
        """
        gone: asyncio.Future[Inference] = asyncio.get_running_loop().create_future()
        waited: list[asyncio.Future[Any]] = [gone]
        try:
            with self._slot():
                waited.append(asyncio.create_task(work()))
                client.add(gone)
                client.watch()
                left = max(0.0, deadline - time.perf_counter())
                await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    gone.result()
                if not waited[-1].done():
                    raise DeadlineExceededError(
                        "the explanation was not ready before the deadline of the request: try again later"
                    )
                explained: Result = waited[-1].result()
                return explained
        finally:
            # Break the reference cycle between this frame and the exceptions of the futures.
            del gone
            while waited:
                _abandon(waited.pop())

    async def explain(
        self,
        served: ModelVariant,
        image_HWC: Pixels,
        methods: Sequence[MethodName],
        parameters: Parameters,
        target: int | None,
    ) -> Explanation:
        """Explain one prediction.

        Args:
            served: the version in the explained precision.
            image_HWC: uint8, of the model's input size.
            methods: at least one.
            parameters: of all methods.
            target: the class to explain; None for the predicted class.

        Raises:
            ProblemError: as `fitting_gradients`.
        """
        facts: Attributes = {
            "duet.model": served.family,
            "duet.version": served.version,
            "duet.methods": ",".join(methods),
        }
        with child_span("saliency", facts):
            [gradients] = await fitting_gradients([served], methods)
            started = time.perf_counter()
            runs = Runs(served.queue.run, gradients, self.in_background)
            async for _, logits_NK in runs.logits(1, lambda _: image_HWC[np.newaxis]):
                logits_K = logits_NK[0]
            subject = Subject(
                image_HWC,
                baseline_image(parameters.baseline, image_HWC, served.manifest.input.mean),
                int(logits_K.argmax()) if target is None else target,
                logits_K,
            )
            attributions = {name: await METHODS[name].explain(runs, subject, parameters) for name in methods}
        elapsed = time.perf_counter() - started
        return Explanation(subject, attributions, runs.seconds, max(0.0, elapsed - runs.seconds))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        self.check_capacity()
        self._running += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self._running -= 1
            self._mean_seconds += _NEWEST_WEIGHT * (time.perf_counter() - started - self._mean_seconds)


async def fitting_gradients(
    versions: Sequence[ModelVariant], methods: Sequence[MethodName]
) -> list[GradientModel | None]:
    """Open the gradient graph of each version, and check that every method supports every version.

    The result has None for a version without a gradient graph, if no method needs one.

    Raises:
        NoGradientError: a version has no gradient graph, but could have one.
        VersionRefusedError: a gradient graph cannot be opened.
        MethodDoesNotFitError: a method needs feature maps, or the gradients of an imported graph.
    """
    opened: list[GradientModel | None] = []
    for served in versions:
        if served.gradient is not None:
            opened.append(await served.gradient.opened())
            continue
        needing = next((method for method in methods if METHODS[method].needs_gradient), None)
        if needing is not None and served.manifest.architecture == "imported":
            fitting = [name for name, each in METHODS.items() if not each.needs_gradient]
            raise MethodDoesNotFitError(needing, served.manifest.reference, fitting, needed="gradients")
        if needing is not None:
            raise NoGradientError(served.manifest.reference)
        opened.append(None)
    without = [
        served
        for served, gradients in zip(versions, opened, strict=True)
        if gradients is None or not gradients.has_features
    ]
    for method in methods:
        if without and METHODS[method].needs_features:
            fitting = [name for name, each in METHODS.items() if not each.needs_features]
            raise MethodDoesNotFitError(method, without[0].manifest.reference, fitting)
    return opened


def class_index(target: str, labels: Sequence[str]) -> int:
    """Index of the class that a client names by label or index.

    Raises:
        UnknownTargetError: there is no such class.
    """
    if target in labels:
        return labels.index(target)
    if target.isascii() and target.isdecimal() and len(target) < 10 and int(target) < len(labels):
        return int(target)
    raise UnknownTargetError(target, labels)


def _abandon(future: asyncio.Future[Any]) -> None:
    """Cancel a future, or mark its exception as retrieved."""
    if not future.cancel() and not future.cancelled():
        future.exception()
