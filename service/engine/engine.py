"""Answers requests: decode -> submit -> run -> render. Knows images and models, and nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.api import Prediction
from core.images import DecodedImage
from service.engine.answers import divergence_bits, predictions
from service.engine.arrays import Pixels
from service.engine.batcher import Batcher
from service.engine.decoder import Decoder
from service.engine.lane import Inference, Lane
from service.engine.models import ServedModels
from service.engine.served import ServedVersion
from service.errors import DeadlineExceededError
from service.metrics import Metrics
from service.uploads import Upload


@dataclass(frozen=True)
class Spent:
    """Seconds that the parts of one request took."""

    decode: float
    queue: float
    inference: float


@dataclass(frozen=True)
class Comparison:
    """Several versions' answers to one image, and how far apart they are in bits."""

    predictions: list[Prediction]
    agree: bool
    divergence: float


class Engine:
    """One process's models, batcher and decoder."""

    def __init__(self, models: ServedModels, batcher: Batcher, decoder: Decoder, metrics: Metrics) -> None:
        self.models = models
        self._batcher = batcher
        self._decoder = decoder
        self._metrics = metrics

    async def find(self, family: str, version: int | None, *, deadline: float) -> ServedVersion:
        """As `ServedModels.find`, and refuses at once where the version's queue is full.

        Raises:
            ProblemError: unknown, refused, not ready, or no place in its queue, or not loaded in time.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                served = await self.models.find(family, version)
        except TimeoutError:
            raise DeadlineExceededError(f"{family} was not loaded before the request's deadline") from None
        self._batcher.check_room(served.lane)
        return served

    async def predict(
        self, served: ServedVersion, uploads: Sequence[Upload], *, top_k: int, deadline: float
    ) -> tuple[list[Prediction], Spent]:
        """One version's answer to each of N images.

        Args:
            served: the version that shall answer.
            uploads: at least one.
            top_k: classes to list per image.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            UnreadableImageError: one of them cannot be decoded.
            QueueFullError, DeadlineExceededError: no place, or no time, for it.
        """
        started = time.perf_counter()
        images = await self._decoded(uploads, served.size)
        decode_seconds = time.perf_counter() - started
        inference = await self._batcher.submit(served.lane, _stacked(images), deadline)
        described = [(upload.filename, image.notes) for upload, image in zip(uploads, images, strict=True)]
        spent = self._spent([served], decode_seconds, [inference])
        return predictions(served, inference.logits_NK, described, top_k), spent

    async def compare(
        self, versions: Sequence[ServedVersion], upload: Upload, *, top_k: int, deadline: float
    ) -> tuple[Comparison, Spent]:
        """Several versions' answers to one image; arguments and errors as of `predict`."""
        started = time.perf_counter()
        sizes = dict.fromkeys(served.size for served in versions)
        images = {size: (await self._decoded([upload], size))[0] for size in sizes}
        decode_seconds = time.perf_counter() - started
        inferences = await self._infer(
            [(served.lane, _stacked([images[served.size]])) for served in versions], deadline
        )
        answers = [
            predictions(served, inference.logits_NK, [(upload.filename, images[served.size].notes)], top_k)[0]
            for served, inference in zip(versions, inferences, strict=True)
        ]
        comparison = Comparison(
            predictions=answers,
            agree=len({answer.label for answer in answers}) == 1,
            divergence=divergence_bits(versions, [inference.logits_NK for inference in inferences]),
        )
        return comparison, self._spent(versions, decode_seconds, inferences)

    def close(self) -> None:
        """Finish what runs and stop all threads."""
        self.models.close()
        self._decoder.close()
        self._batcher.close()

    async def _decoded(self, uploads: Sequence[Upload], size: tuple[int, int]) -> list[DecodedImage]:
        height, width = size
        decoding = [
            self._decoder.decode(upload, index, height=height, width=width) for index, upload in enumerate(uploads)
        ]
        if len(decoding) == 1:
            return [await decoding[0]]
        return list(await asyncio.gather(*decoding))

    async def _infer(self, work: Sequence[tuple[Lane, Pixels]], deadline: float) -> list[Inference]:
        waiting: list[asyncio.Future[Inference]] = []
        try:
            for lane, images_NHWC in work:
                waiting.append(self._batcher.submit(lane, images_NHWC, deadline))
            return list(await asyncio.gather(*waiting))
        finally:
            for future in waiting:
                future.cancel()  # where one failed, nobody waits for the others any more

    def _spent(self, versions: Sequence[ServedVersion], decode: float, inferences: Sequence[Inference]) -> Spent:
        for served, inference in zip(versions, inferences, strict=True):
            self._metrics.observe_answer(
                served, decode=decode, queue=inference.queue_seconds, inference=inference.run_seconds
            )
        return Spent(
            decode=decode,
            queue=max(inference.queue_seconds for inference in inferences),
            inference=max(inference.run_seconds for inference in inferences),
        )


def _stacked(images: Sequence[DecodedImage]) -> Pixels:
    return np.stack([image.pixels_HWC for image in images])
