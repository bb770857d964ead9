"""Engine: admits requests, decodes their images, runs the models and renders predictions. Independent of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from core.images.decode import Crop, DecodedImage
from core.images.tta_views import VIEW_WEIGHTS
from core.repository.manifest import Precision
from core.tracing.spans import record_step, traced
from service.engine.arrays import Pixels
from service.engine.batcher import Batcher
from service.engine.decoder import Decoder, Upload
from service.engine.loaded_model import ModelVariant
from service.engine.model_manager import ModelManager
from service.engine.observer import AnsweredRequest, ModelAnswer, Observer
from service.engine.postprocess import divergence_bits, render_prediction
from service.engine.queue import DisconnectSource, Inference, ModelQueue
from service.engine.results import Comparison, Timings
from service.engine.view_averaging import infer_views
from service.errors import DeadlineExceededError

Result = TypeVar("Result")
ObserveAnswer = Callable[[ModelVariant, float, Inference, float], None]
"""Called for every prediction with the model, seconds of decoding, the inference, and total seconds."""

TTA_NOTE = f"average of {len(VIEW_WEIGHTS)} views"
"""Note added to predictions with test-time augmentation."""


class Engine:
    """The models, the batcher and the decoder of one process; used from one event loop.

    Attributes:
        observers: called with each answered request that has an id; empty unless traffic is captured or compared.
    """

    def __init__(self, models: ModelManager, batcher: Batcher, decoder: Decoder, observe_answer: ObserveAnswer) -> None:
        self.models = models
        self.observers: tuple[Observer, ...] = ()
        self._batcher = batcher
        self._decoder = decoder
        self._observe_answer = observe_answer
        self._admitted: Counter[tuple[ModelQueue, str]] = Counter()

    def admit_champion(
        self, family: str, precision: Precision | None = None, *, caller: str = ""
    ) -> ModelVariant | None:
        """Admit a request for a champion as soon as its head has been read, without waiting.

        Requests admitted in the same iteration of the event loop are counted, because many heads are read before the
        first of these requests reaches its queue.

        Args:
            family: of the champion.
            precision: None for the preferred one.
            caller: see `DisconnectSource`.

        Returns:
            The champion, or None if it or its graph of this precision is not loaded; `admit` then handles the request.

        Raises:
            QueueFullError: the queue of the champion is full.
            PrecisionNotPublishedError: the champion is not served in the requested precision.
        """
        champion = self.models.use(family)
        served = champion.opened(precision) if champion is not None else None
        if served is None:
            return None
        queue, admitted = served.queue, self._admitted
        count = sum(images for (each, _), images in admitted.items() if each is queue) if admitted else 0
        own = admitted.get((queue, caller), 0)
        self._batcher.check_capacity(queue, caller, admitted=count, admitted_of_caller=own)
        if not admitted:
            asyncio.get_running_loop().call_soon(admitted.clear)
        admitted[queue, caller] += 1
        return served

    async def admit(
        self, family: str, version: int | None, precision: Precision | None = None, *, deadline: float, caller: str = ""
    ) -> ModelVariant:
        """Same as `loaded`, and checks that the queue of the model has room before an image is decoded.

        Raises:
            QueueFullError, ProblemError: the queue is full; see `loaded` for the others.
        """
        served = await self.loaded(family, version, precision, deadline=deadline)
        self._batcher.check_capacity(served.queue, caller)
        return served

    async def loaded(
        self, family: str, version: int | None, precision: Precision | None = None, *, deadline: float
    ) -> ModelVariant:
        """The model for a request; see `ModelManager.find`.

        Raises:
            ProblemError: the model is unknown, refused or not ready, or it was not loaded before the deadline.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await self.models.find(family, version, precision)
        except TimeoutError:
            raise DeadlineExceededError(
                f"{family} was not loaded before the deadline of the request: try again later"
            ) from None

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
        request_id: str | None = None,
    ) -> tuple[list[dict[str, Any]], Timings]:
        """Predictions of one model for N images.

        Args:
            served: the model.
            uploads: at least one image.
            top_k: number of classes to list per image.
            begun: time when the head of the request was read, for the metrics; on the clock of `time.perf_counter`.
            deadline: on the same clock.
            client: watched while the images wait for the model.
            tta: average the logits over several views of each image. The views run one after the other, so that
                other requests are served in between.
            crop: the part of each image to use.
            request_id: id of the request for the observers; without one, they do not see it.

        Raises:
            UnreadableImageError: an image cannot be decoded.
            InvalidParametersError: the crop is not within an image.
            ViewsNotMeasuredError: the version has no thresholds for averaged logits.
            QueueFullError: the queue of the model has no room for the images.
            DeadlineExceededError: the deadline passed before the predictions were ready.
        """
        started = time.perf_counter()
        calibration = served.calibration_of_averages if tta else served.calibration
        work = self._decoder.decode_all(uploads, served.input, deadline=deadline, client=client, crop=crop)
        images = await traced("decode", work)
        images_NHWC = np.stack([image.pixels_HWC for image in images])
        decode_seconds = time.perf_counter() - started
        if tta:
            inference = await infer_views(self._batcher, served.queue, images_NHWC, calibration, deadline, client)
        else:
            inference = await self._batcher.submit(served.queue, images_NHWC, deadline, client)
        self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        if self.observers and request_id is not None:
            self._observe(
                AnsweredRequest(
                    request_id,
                    "predict",
                    [image.pixels_HWC for image in images],
                    [upload.content for upload in uploads],
                    [ModelAnswer(served, inference.outputs, calibration, tta)],
                )
            )
        outputs, tta_notes = inference.outputs, (TTA_NOTE,) if tta else ()
        predictions = [
            render_prediction(served, outputs, row, upload.filename, image.notes + tta_notes, top_k, calibration)
            for row, (upload, image) in enumerate(zip(uploads, images, strict=True))
        ]
        record_step("postprocess", outputs.started)
        return predictions, Timings(decode_seconds, inference.queue_seconds, inference.run_seconds)

    async def infer(
        self,
        served: ModelVariant,
        images_NHWC: Pixels,
        *,
        decode_seconds: float,
        begun: float,
        deadline: float,
        client: DisconnectSource | None = None,
        request_id: str | None = None,
    ) -> Inference:
        """Outputs of one model for images, uint8 [N, H, W, 3], of its input size; N >= 1.

        `decode_seconds` is the time spent on reading the images. `predict` describes the other arguments.

        Raises:
            QueueFullError, DeadlineExceededError: see `predict`.
        """
        inference = await self._batcher.submit(served.queue, images_NHWC, deadline, client)
        self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        if self.observers and request_id is not None:
            answer = ModelAnswer(served, inference.outputs, served.calibration)
            self._observe(AnsweredRequest(request_id, "infer", list(images_NHWC), (), [answer]))
        return inference

    async def decode(
        self,
        served: ModelVariant,
        upload: Upload,
        *,
        deadline: float,
        client: DisconnectSource | None = None,
        crop: Crop | None = None,
    ) -> DecodedImage:
        """Decode one image to the input size of a model.

        Raises:
            UnreadableImageError: the image cannot be decoded.
            InvalidParametersError: the crop is not within the image.
            QueueFullError, DeadlineExceededError: see `Decoder.decode`.
        """
        work = self._decoder.decode(upload, 0, [served.input], deadline=deadline, client=client, crop=crop)
        [image] = await traced("decode", work)
        return image

    async def parse(
        self, call: Callable[[], Result], *, deadline: float, client: DisconnectSource | None = None
    ) -> Result:
        """Run a blocking parser on the threads of the decoder; see `Decoder.run`."""
        return await self._decoder.run(call, deadline, client)

    def run_background(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """See `Batcher.run_background`."""
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
        request_id: str | None = None,
    ) -> tuple[Comparison, Timings]:
        """Predictions of several models for one image; see `predict` for arguments and errors."""
        started = time.perf_counter()
        inputs = [served.input for served in versions]
        work = self._decoder.decode(upload, 0, inputs, deadline=deadline, client=client, crop=crop)
        images = await traced("decode", work)
        decode_seconds = time.perf_counter() - started
        inferences = await self._infer_all(list(zip(versions, images, strict=True)), deadline, client)
        for served, inference in zip(versions, inferences, strict=True):
            self._observe_answer(served, decode_seconds, inference, time.perf_counter() - begun)
        if self.observers and request_id is not None:
            answers = [
                ModelAnswer(served, inference.outputs, served.calibration)
                for served, inference in zip(versions, inferences, strict=True)
            ]
            pixels = [images[0].pixels_HWC]
            self._observe(AnsweredRequest(request_id, "compare", pixels, [upload.content], answers))
        predictions = [
            render_prediction(served, inference.outputs, 0, upload.filename, image.notes, top_k, served.calibration)
            for served, inference, image in zip(versions, inferences, images, strict=True)
        ]
        comparison = Comparison(
            predictions=predictions,
            agree=len({prediction["label"] for prediction in predictions}) == 1,
            divergence=divergence_bits(versions, [inference.outputs for inference in inferences]),
            images=images,
        )
        record_step("postprocess", max(inference.outputs.started for inference in inferences))
        queue = max(inference.queue_seconds for inference in inferences)
        run = max(inference.run_seconds for inference in inferences)
        return comparison, Timings(decode_seconds, queue, run)

    def close(self) -> None:
        """Finish running work and stop all threads."""
        self.models.close()
        self._decoder.close()
        self._batcher.close()

    def _observe(self, answered: AnsweredRequest) -> None:
        for observer in self.observers:
            observer(answered)

    async def _infer_all(
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
                future.cancel()  # if one failed, the others are not needed
            pending.clear()  # a failed future references this frame: break the cycle
