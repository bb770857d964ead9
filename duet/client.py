"""`duet.Client`: the service from Python."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from core.api import (
    CompareResponse,
    Liveness,
    MetricsComparison,
    ModelDetail,
    ModelList,
    PredictResponse,
    Readiness,
    SaliencyResponse,
    VersionDetail,
)
from core.manifest import Precision
from duet.client_errors import AnswerError, ClientError, NotReadyError, UnreachableError, error_of
from duet.client_images import FilePart, ImageInput, file_part
from duet.client_saliency import ExplanationOptions, Layout, Methods, joined

Answer = TypeVar("Answer", bound=BaseModel)
FIRST_PAUSE_SECONDS = 0.1
RETRIED = (429, 503)


class Client:
    """Talks to one service over kept-alive connections; use it in a `with` block, or close it.

        with Client() as duet:
            print(duet.predict("rex.png").predictions[0].label)

    An answer of 429 or 503 is retried after the time that the service names. Every method raises
    `UnreachableError` where there is no answer and a subclass of `AnswerError` where the answer is an error.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_seconds: float = 30.0,
        retries: int = 3,
        patience_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            url: where the service listens.
            timeout_seconds: for connecting and for each answer.
            retries: how often a request is sent again after 429 or 503, at most.
            patience_seconds: how long all pauses before retries of one request may take together.
            transport: of httpx, in place of the network's.
        """
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, transport=transport)
        self._retries = retries
        self._patience_seconds = patience_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(
        self,
        *images: ImageInput,
        model: str = "cnn",
        version: int | None = None,
        precision: Precision | None = None,
        top_k: int | None = None,
        tta: bool = False,
    ) -> PredictResponse:
        """What each image shows, in the order given.

        Args:
            images: one or more; each a path, a file's bytes, a Pillow image, or uint8 pixels [H, W, 3].
            model: which family answers.
            version: of it; its champion where none is given.
            precision: fp32 or int8; as the service is set up where none is given.
            top_k: how many classes to list; as many as the service likes where it is not given.
            tta: average the answers to six views of each image: more often right, and six times the work.

        Raises:
            ClientError: no image was given, or one of them is none.
        """
        if not images:
            raise ClientError("predict needs at least one image")
        parts = [file_part(image, index) for index, image in enumerate(images)]
        query = {"model": model, "version": version, "precision": precision, "top_k": top_k, "tta": tta or None}
        return self._post("/predict", PredictResponse, parts, query)

    def compare(
        self,
        image: ImageInput,
        *,
        models: Sequence[str] = ("mlp", "cnn"),
        precision: Precision | None = None,
        top_k: int | None = None,
        saliency: Methods | None = None,
        layout: Layout | None = None,
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
            layout: of those pictures: the maps beside the image, which is the default, or blended with it.
            options: as of `saliency`.
        """
        query = {"models": ",".join(models), "precision": precision, "top_k": top_k, "layout": layout, **options}
        if saliency is not None:
            query |= {"saliency": joined(saliency), "format": "json"}
        return self._post("/compare", CompareResponse, [file_part(image, 0)], query)

    def saliency(
        self,
        image: ImageInput,
        *,
        method: Methods = "saliency",
        model: str = "cnn",
        version: int | None = None,
        **options: Unpack[ExplanationOptions],
    ) -> SaliencyResponse:
        """Which pixels speak for a class: a map per method, whose `array()` is float32 [H, W].

        Args:
            image: as of `predict`.
            method: one or several.
            model: which family's answer is explained.
            version: of it; its champion where none is given.
            options: see `ExplanationOptions`.

        Raises:
            InvalidRequestError: no such method or class, or the method does not fit the model; `fields` has those
                that there are.
            ConflictError: the version was published without what explains it.
        """
        query = {"model": model, "version": version, "method": joined(method), **options, "format": "json"}
        return self._post("/saliency", SaliencyResponse, [file_part(image, 0)], query)

    def saliency_picture(
        self,
        image: ImageInput,
        *,
        method: Methods = "saliency",
        model: str = "cnn",
        version: int | None = None,
        layout: Layout = "side_by_side",
        **options: Unpack[ExplanationOptions],
    ) -> bytes:
        """As `saliency`, but drawn: a PNG file of the maps beside the image, or of each blended with it."""
        query = {"model": model, "version": version, "method": joined(method), "layout": layout, **options}
        return self._posted("/saliency", [file_part(image, 0)], {**query, "format": "png"}).content

    def metrics(self) -> str:
        """What Prometheus would scrape, in its text format."""
        return self._succeeded(self._send_patiently("GET", "/metrics")).text

    def metrics_compare(self, first: str = "mlp", second: str = "cnn") -> MetricsComparison:
        """Test scores of two models, such as `mlp` for its champion or `mlp@1`, and their difference."""
        return self._get("/metrics/compare", MetricsComparison, {"first": first, "second": second})

    def models(self) -> ModelList:
        """Every model with its versions."""
        return self._get("/models", ModelList)

    def model(self, name: str) -> ModelDetail:
        """One model with what each version says of itself."""
        return self._get(f"/models/{quote(name, safe='')}", ModelDetail)

    def version(self, name: str, version: int) -> VersionDetail:
        """One version with its whole manifest."""
        return self._get(f"/models/{quote(name, safe='')}/versions/{version}", VersionDetail)

    def readiness(self) -> Readiness:
        """What each model serves; raises `NotReadyError`, without retrying, where the service is not ready."""
        return self._parsed(self._send("GET", "/readyz"), Readiness)

    def ready(self) -> bool:
        """Whether the service answers and has loaded its champions."""
        try:
            self.readiness()
        except (NotReadyError, UnreachableError):
            return False
        return True

    def live(self) -> bool:
        """Whether the service answers at all."""
        try:
            self._parsed(self._send("GET", "/livez"), Liveness)
        except (AnswerError, UnreachableError):
            return False
        return True

    def _get(self, path: str, answer: type[Answer], query: Mapping[str, Any] | None = None) -> Answer:
        return self._parsed(self._send_patiently("GET", path, params=query), answer)

    def _post(self, path: str, answer: type[Answer], parts: list[FilePart], query: Mapping[str, Any]) -> Answer:
        return answer.model_validate_json(self._posted(path, parts, query).content)

    def _posted(self, path: str, parts: list[FilePart], query: Mapping[str, Any]) -> httpx.Response:
        given = {name: value for name, value in query.items() if value is not None}
        return self._succeeded(self._send_patiently("POST", path, files=parts, params=given))

    def _send_patiently(self, method: str, path: str, **content: Any) -> httpx.Response:
        patience = self._patience_seconds
        for attempt in range(self._retries):
            response = self._send(method, path, **content)
            pause = _pause_seconds(response, attempt)
            if response.status_code not in RETRIED or pause > patience:
                return response
            patience -= pause
            time.sleep(pause)
        return self._send(method, path, **content)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **content)
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise UnreachableError(f"no answer from {self._http.base_url}: {said}; is `duet serve` running?") from error

    def _parsed(self, response: httpx.Response, answer: type[Answer]) -> Answer:
        return answer.model_validate_json(self._succeeded(response).content)

    def _succeeded(self, response: httpx.Response) -> httpx.Response:
        if not response.is_success:
            raise error_of(response)
        return response


def _pause_seconds(response: httpx.Response, attempt: int) -> float:
    """How long to wait before the next attempt: what the service asks for, or twice as long each time."""
    if response.status_code not in RETRIED:
        return 0.0
    milliseconds = error_of(response).fields.get("retry_after_ms")
    if isinstance(milliseconds, int | float):
        return milliseconds / 1000
    stated = response.headers.get("retry-after", "")
    return float(stated) if stated.isdecimal() else FIRST_PAUSE_SECONDS * 2**attempt
