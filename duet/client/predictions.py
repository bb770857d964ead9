"""Prediction methods of the client: predictions, comparisons and explanations of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import httpx

from core.repository.manifest import Precision
from core.schemas.api import CompareResponse, Prediction, PredictResponse, SaliencyResponse
from duet.client.connection import Methods, drop_none, parsed
from duet.client.errors import ClientError
from duet.client.images import Crop, FilePart, ImageInput, as_parameter, file_part

Explanations: TypeAlias = str | Sequence[str]
"""One or more of saliency, input_x_gradient, smoothgrad, integrated_gradients, grad_cam and occlusion."""

Layout: TypeAlias = Literal["side_by_side", "blend", "map"]


class ExplanationOptions(TypedDict, total=False):
    """Parameters of `POST /saliency`; omitted ones have the service's defaults.

    Attributes:
        target: class to explain, by label or index; by default the predicted class.
        steps: number of points on the path of integrated gradients.
        samples: number of noisy copies for SmoothGrad.
        noise: standard deviation of the SmoothGrad noise, for pixels in [0, 1].
        seed: seed of the SmoothGrad noise.
        window: side of the occluding square, in pixels of the model's input.
        stride: distance between two occluding squares, in pixels.
        baseline: start of the path of integrated gradients and fill of the occluding square.
    """

    target: str | int
    steps: int
    samples: int
    noise: float
    seed: int
    window: int
    stride: int
    baseline: Literal["black", "white", "mean", "blur"]


class PredictionMethods(Methods):
    """Prediction methods of `Client`."""

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
        """Classify one or more images.

        Args:
            images: paths, file contents, Pillow images, or uint8 pixels [H, W, 3] or [H, W].
            model: name of the model.
            version: version number; by default the champion.
            precision: fp32, bf16 or int8; by default the service's.
            top_k: number of classes to list; by default the service's.
            tta: test-time augmentation: average the probabilities of six views, at six times the cost. Without an API
                key, at most 36 images.
            crop: classify only this part: left, top, width and height in pixels of the upright image.

        Returns:
            One prediction per image, in their order.

        Raises:
            ClientError: no image was given, or an input is not an image.
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
        """Classify one image; arguments as for `predict`."""
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
        """Classify one image with several models.

        Args:
            image: image as for `predict`.
            models: two or more models, such as `cnn` (its champion) or `cnn@3`.
            precision: as for `predict`.
            top_k: number of classes to list per model.
            saliency: explanation methods that all models support; the response's `saliency` then has the maps of
                each model and a PNG rendering.
            layout: layout of the PNG: maps beside the image (the default), blended with it, or alone.
            crop: as for `predict`.
            options: as for `saliency`.
        """
        query = {"models": ",".join(models), "precision": precision, "top_k": top_k, "layout": layout, **options}
        query["crop"] = as_parameter(crop)
        if saliency is not None:
            query |= {"saliency": _joined(saliency), "format": "json"}
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
        """Explain a prediction: one map per method, whose `array()` is float32 [H, W].

        Args:
            image: image as for `predict`.
            method: one or several explanation methods.
            model: name of the model.
            version: version number; by default the champion.
            crop: as for `predict`.
            options: see `ExplanationOptions`.

        Raises:
            InvalidRequestError: the method or class is unknown, or the model does not support the method; `fields`
                lists the available ones.
            ConflictError: the version was published without the graph that the method needs.
        """
        query = _explained(model, version, method, crop, options)
        return parsed(self._ask("/saliency", [file_part(image, 0)], {**query, "format": "json"}), SaliencyResponse)

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
        """Return the maps of `saliency` as a PNG file, beside the image, blended with it, or alone."""
        query = _explained(model, version, method, crop, options) | {"layout": layout, "format": "png"}
        return self._ask("/saliency", [file_part(image, 0)], query).content

    def _ask(self, path: str, parts: list[FilePart], query: Mapping[str, Any]) -> httpx.Response:
        return self._connection.request("POST", path, files=parts, params=drop_none(query))


def _explained(
    model: str, version: int | None, method: Explanations, crop: Crop | None, options: ExplanationOptions
) -> dict[str, Any]:
    return {"model": model, "version": version, "method": _joined(method), "crop": as_parameter(crop), **options}


def _joined(methods: Explanations) -> str:
    return methods if isinstance(methods, str) else ",".join(methods)
