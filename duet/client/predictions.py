"""What the client asks of images: predictions, comparisons, explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import httpx

from core.repository.manifest import Precision
from core.schemas.api import CompareResponse, Prediction, PredictResponse, SaliencyResponse
from duet.client.connection import Methods, drop_none, parsed
from duet.client.errors import ClientError
from duet.client.explanations import ExplanationOptions, Explanations, Layout, joined
from duet.client.images import Crop, FilePart, ImageInput, as_parameter, file_part


class PredictionMethods(Methods):
    """Of `Client`."""

    def predict(
        self,
        *images: ImageInput,
        model: str = "cnn",
        version: int | None = None,
        precision: Precision | None = None,
        top_k: int | None = None,
        tta: bool = False,
        crop: Crop | None = None,
    ) -> PredictResponse:
        """What each image shows, in the order given.

        Args:
            images: one or more; each a path, a file's bytes, a Pillow image, or uint8 pixels [H, W, 3].
            model: which family answers.
            version: of it; its champion where none is given.
            precision: fp32 or int8; as the service is set up where none is given.
            top_k: how many classes to list; as many as the service likes where it is not given.
            tta: average the answers to six views of each image: more often right, and six times the work.
            crop: show the model this part alone: left, top, width and height in pixels of the upright image.

        Raises:
            ClientError: no image was given, or one of them is none.
        """
        if not images:
            raise ClientError("predict needs at least one image")
        parts = [file_part(image, index) for index, image in enumerate(images)]
        query = {"model": model, "version": version, "precision": precision, "top_k": top_k, "tta": tta or None}
        query["crop"] = as_parameter(crop)
        return parsed(self._ask("/predict", parts, query), PredictResponse)

    def predict_one(
        self,
        image: ImageInput,
        *,
        model: str = "cnn",
        version: int | None = None,
        precision: Precision | None = None,
        top_k: int | None = None,
        tta: bool = False,
        crop: Crop | None = None,
    ) -> Prediction:
        """As `predict`, of one image."""
        answer = self.predict(image, model=model, version=version, precision=precision, top_k=top_k, tta=tta, crop=crop)
        return answer.predictions[0]

    def compare(
        self,
        image: ImageInput,
        *,
        models: Sequence[str] = ("mlp", "cnn"),
        precision: Precision | None = None,
        top_k: int | None = None,
        saliency: Explanations | None = None,
        layout: Layout | None = None,
        crop: Crop | None = None,
        **options: Unpack[ExplanationOptions],
    ) -> CompareResponse:
        """What several models say of the same image.

        Args:
            image: as of `predict`.
            models: two or more, such as `cnn` for its champion or `cnn@3`.
            precision: as of `predict`, for all of them.
            top_k: how many classes to list per model.
            saliency: methods that fit all of these models; the answer's `saliency` then has each model's maps, and
                their picture as a PNG file.
            layout: of those pictures: the maps beside the image, which is the default, blended with it, or alone.
            crop: as of `predict`.
            options: as of `saliency`.
        """
        query = {"models": ",".join(models), "precision": precision, "top_k": top_k, "layout": layout, **options}
        query["crop"] = as_parameter(crop)
        if saliency is not None:
            query |= {"saliency": joined(saliency), "format": "json"}
        return parsed(self._ask("/compare", [file_part(image, 0)], query), CompareResponse)

    def saliency(
        self,
        image: ImageInput,
        *,
        method: Explanations = "saliency",
        model: str = "cnn",
        version: int | None = None,
        crop: Crop | None = None,
        **options: Unpack[ExplanationOptions],
    ) -> SaliencyResponse:
        """Which pixels speak for a class: a map per method, whose `array()` is float32 [H, W].

        Args:
            image: as of `predict`.
            method: one or several.
            model: which family's answer is explained.
            version: of it; its champion where none is given.
            crop: as of `predict`.
            options: see `ExplanationOptions`.

        Raises:
            InvalidRequestError: no such method or class, or the method does not fit the model; `fields` has those
                that there are.
            ConflictError: the version was published without what explains it.
        """
        query = {"model": model, "version": version, "method": joined(method), **options, "format": "json"}
        query["crop"] = as_parameter(crop)
        return parsed(self._ask("/saliency", [file_part(image, 0)], query), SaliencyResponse)

    def saliency_picture(
        self,
        image: ImageInput,
        *,
        method: Explanations = "saliency",
        model: str = "cnn",
        version: int | None = None,
        layout: Layout = "side_by_side",
        crop: Crop | None = None,
        **options: Unpack[ExplanationOptions],
    ) -> bytes:
        """As `saliency`, but drawn: a PNG file of the maps beside the image, of each blended with it, or alone."""
        query = {"model": model, "version": version, "method": joined(method), "layout": layout, **options}
        query["crop"] = as_parameter(crop)
        return self._ask("/saliency", [file_part(image, 0)], {**query, "format": "png"}).content

    def _ask(self, path: str, parts: list[FilePart], query: Mapping[str, Any]) -> httpx.Response:
        return self._connection.request("POST", path, files=parts, params=drop_none(query))
