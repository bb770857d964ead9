"""Answers requests: decode -> submit -> run -> render. Knows images and models, and nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from core.images.decode import Crop, DecodedImage
from core.images.tta_views import views
from core.repository.manifest import Precision
from service.engine.arrays import Pixels
from service.engine.batcher import Batcher
from service.engine.decoder import Decoder
from service.engine.loaded_model import ModelVariant
from service.engine.model_manager import ModelManager
from service.engine.queue import DisconnectSource, Inference
from service.engine.render import divergence_bits, render_prediction
from service.engine.tta import NOTE, averaged_inference
from service.engine.upload import Upload
from service.errors import DeadlineExceededError

Result = TypeVar("Result")
ObserveAnswer = Callable[[ModelVariant, float, Inference, float], None]
"""Told of every answer: the model, seconds of decoding, what the queue and the run took, and seconds in all."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that the parts of one request took."""

    decode: float
    queue: float
    inference: float


@dataclass(frozen=True)
class Comparison:
    """Several versions' answers to one image, and how far apart they are in bits; `images` as each version saw it."""

    predictions: list[dict[str, Any]]
    agree: bool
    divergence: float
    images: list[DecodedImage]


class Engine:
    """One process's models, batcher and decoder."""

    def __init__(self, models: ModelManager, batcher: Batcher, decoder: Decoder, observe_answer: ObserveAnswer) -> None:
        self.models = models
        self._batcher = batcher
        self._decoder = decoder
        self._observe_answer = observe_answer

    async def find(
        self, family: str, version: int | None, precision: Precision | None = None, *, deadline: float
    ) -> ModelVariant:
        """As `loaded`, and refuses at once where the version's queue is full.

        Raises:
            QueueFullError: no place in its queue.
            ProblemError: as of `loaded`.
        """
        served = await self.loaded(family, version, precision, deadline=deadline)
        self.check_capacity(served)
        return served

    def check_capacity(self, served: ModelVariant, images: int = 1) -> None:
        """Refuse a request before anything is done for it.

        Raises:
            QueueFullError: no place for so many images in the version's queue.
        """
        self._batcher.check_capacity(served.queue, images)

    async def loaded(
        self, family: str, version: int | None, precision: Precision | None = None, *, deadline: float
    ) -> ModelVariant:
        """As `ModelManager.find`, but not past the deadline.

        Raises:
            ProblemError: unknown, refused, not ready, or not loaded in time.
        """
        served = self.models.champion(family, precision) if version is None else None
        if served is None:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                    served = await self.models.find(family, version, precision)
            except TimeoutError:
                raise DeadlineExceededError(f"{family} was not loaded before the request's deadline") from None
        return served

    async def predict(
        self,
        served: ModelVariant,
        uploads: Sequence[Upload],
        *,
        top_k: int,
        begun: float,
        deadline: float,
        client: DisconnectSource | None = None,
        tta: bool = False,
        crop: Crop | None = None,
    ) -> tuple[list[dict[str, Any]], Timings]:
        """One version's answer to each of N images.

        Args:
            served: the version that shall answer.
            uploads: at least one.
            top_k: classes to list per image.
            begun: when the request's head had been read, for the metrics; on the clock of `time.perf_counter`.
            deadline: on the same clock.
            client: watched while the images wait for the model.
            tta: average the answers to several views of each image, which are asked for one after the other, so that
                others get their turn.
            crop: the part of each image that is taken.

        Raises:
            UnreadableImageError: one of them cannot be decoded.
            InvalidParametersError: the part is not within one of them.
            ViewsNotMeasuredError: the version has no thresholds for averages.
            QueueFullError, DeadlineExceededError: no place, or no time, for it.
        """
        started = time.perf_counter()
        calibration = served.calibration_of_averages if tta else served.calibration
        self._batcher.check_capacity(served.queue, len(uploads))
        decode = partial(self._decoder.decode, inputs=[served.input], deadline=deadline, client=client, crop=crop)
        if len(uploads) == 1:
            images = await decode(uploads[0], 0)
            images_NHWC = images[0].pixels_HWC[np.newaxis]
        else:
            images = await _decoded(decode, uploads)
            images_NHWC = np.stack([image.pixels_HWC for image in images])
        decode_seconds = time.perf_counter() - started
        if tta:
            asked = views(images_NHWC)
            parts = [await self._batcher.submit(served.queue, view_NHWC, deadline, client) for view_NHWC in asked]
            inference = averaged_inference(parts, calibration)
        else:
            inference = await self._batcher.submit(served.queue, images_NHWC, deadline, client)
        self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        outputs, also_noted = inference.outputs, (NOTE,) if tta else ()
        answers = [
            render_prediction(served, outputs, row, upload.filename, image.notes + also_noted, top_k, calibration)
            for row, (upload, image) in enumerate(zip(uploads, images, strict=True))
        ]
        return answers, Timings(decode_seconds, inference.queue_seconds, inference.run_seconds)

    async def infer(
        self,
        served: ModelVariant,
        images_NHWC: Pixels,
        *,
        decode_seconds: float,
        begun: float,
        deadline: float,
        client: DisconnectSource | None = None,
    ) -> Inference:
        """One version's outputs for images that have its size already.

        Args:
            served: the version that shall answer.
            images_NHWC: uint8 [N, H, W, 3], N >= 1.
            decode_seconds: what it took to get at them, for the metrics.
            begun: when the request's head had been read, for the metrics; on the clock of `time.perf_counter`.
            deadline: on the same clock.
            client: watched while the images wait for the model.

        Raises:
            QueueFullError, DeadlineExceededError: no place, or no time, for it.
        """
        inference = await self._batcher.submit(served.queue, images_NHWC, deadline, client)
        self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        return inference

    async def decode(
        self, served: ModelVariant, upload: Upload, *, deadline: float, crop: Crop | None = None
    ) -> DecodedImage:
        """The one image of a request, or the part of it, as a version takes it.

        Raises:
            UnreadableImageError: it cannot be decoded.
            InvalidParametersError: the part is not within it.
            QueueFullError, DeadlineExceededError: no place, or no time, for it.
        """
        [image] = await self._decoder.decode(upload, 0, [served.input], deadline=deadline, crop=crop)
        return image

    def run_background(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """As of `Batcher`: the result of a short `call`, made when nobody waits for a model."""
        return self._batcher.run_background(call)

    async def compare(
        self,
        versions: Sequence[ModelVariant],
        upload: Upload,
        *,
        top_k: int,
        begun: float,
        deadline: float,
        client: DisconnectSource | None = None,
        crop: Crop | None = None,
    ) -> tuple[Comparison, Timings]:
        """Several versions' answers to one image; arguments and errors as of `predict`."""
        started = time.perf_counter()
        inputs = [served.input for served in versions]
        images = await self._decoder.decode(upload, 0, inputs, deadline=deadline, client=client, crop=crop)
        decode_seconds = time.perf_counter() - started
        inferences = await self._infer(list(zip(versions, images, strict=True)), deadline, client)
        for served, inference in zip(versions, inferences, strict=True):
            self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        answers = [
            render_prediction(served, inference.outputs, 0, upload.filename, image.notes, top_k, served.calibration)
            for served, inference, image in zip(versions, inferences, images, strict=True)
        ]
        comparison = Comparison(
            predictions=answers,
            agree=len({answer["label"] for answer in answers}) == 1,
            divergence=divergence_bits(versions, [inference.outputs for inference in inferences]),
            images=images,
        )
        queue = max(inference.queue_seconds for inference in inferences)
        run = max(inference.run_seconds for inference in inferences)
        return comparison, Timings(decode_seconds, queue, run)

    def close(self) -> None:
        """Finish what runs and stop all threads."""
        self.models.close()
        self._decoder.close()
        self._batcher.close()

    async def _infer(
        self, work: Sequence[tuple[ModelVariant, DecodedImage]], deadline: float, client: DisconnectSource | None
    ) -> list[Inference]:
        pending: list[asyncio.Future[Inference]] = []
        try:
            for served, image in work:
                images_NHWC = image.pixels_HWC[np.newaxis]
                pending.append(self._batcher.submit(served.queue, images_NHWC, deadline, client))
            return list(await asyncio.gather(*pending))
        finally:
            for future in pending:
                future.cancel()  # where one failed, nobody waits for the others any more
            pending.clear()  # a future that has failed holds this frame, which would hold it


async def _decoded(
    decode: Callable[[Upload, int], Coroutine[Any, Any, list[DecodedImage]]], uploads: Sequence[Upload]
) -> list[DecodedImage]:
    decoding = [asyncio.create_task(decode(upload, index)) for index, upload in enumerate(uploads)]
    try:
        return [image for [image] in await asyncio.gather(*decoding)]
    finally:
        # Where one failed, nobody waits for the others any more; kept, they would hold this frame in a cycle.
        while decoding:
            decoding.pop().cancel()
