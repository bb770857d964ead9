"""POST /v2/models/.../infer: inference on pixel tensors in the Open Inference Protocol."""

from __future__ import annotations

import json
import time
from contextlib import closing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from core.tracing.spans import record_step, traced
from service.api.common.openapi import BINARY, PREDICTION_CALLER_ERRORS, success
from service.api.deps import OPTIONAL_KEY
from service.api.examples import load_example
from service.api.routes.v2.metadata import MODEL_ERRORS, path_parameters, reference_in
from service.engine.loaded_model import ModelVariant
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DeadlineExceededError,
    InvalidInferenceError,
    InvalidParametersError,
    MalformedBodyError,
    PrecisionNotPublishedError,
    QueueFullError,
    UnsupportedEncodingError,
)
from service.http.fast_routes import FastRoute
from service.http.request_body import DisconnectWatcher
from service.openinference.answer import Answer, answer_of
from service.openinference.body import JSON_LENGTH, Framing, decompressed, max_content_bytes, read_framing
from service.openinference.call import Call, read_call
from service.openinference.errors import ROOT, TAG, error_responses
from service.openinference.images import ImageShape
from service.openinference.messages import InferenceResponse
from service.settings import Settings
from service.state import state_of

router = APIRouter(prefix=f"{ROOT}/models", tags=[TAG], route_class=FastRoute)

# Larger bodies are parsed on the threads of the decoder.
_INLINE_BYTES = 64 * 1024

_EXAMPLES = load_example("v2")
_BODY: dict[str, Any] = {
    "required": True,
    "description": "JSON; or, with the header Inference-Header-Content-Length, that many bytes of JSON followed by the "
    "bytes of the input; with 0, only the bytes of the input",
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/InferenceRequest"},
            "example": _EXAMPLES["request"],
        },
        "application/octet-stream": {
            "schema": BINARY,
            "example": json.dumps(_EXAMPLES["binary_request"]) + "<12 bytes>",
        },
    },
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **success(_EXAMPLES["response"], "The requested outputs: JSON, followed by the binary outputs"),
    **error_responses(
        *PREDICTION_CALLER_ERRORS,
        MalformedBodyError("the body's first 2 bytes are not JSON: EOF while parsing an object"),
        InvalidInferenceError,
        BodyTimeoutError,
        BodyTooLargeError,
        *MODEL_ERRORS,
        PrecisionNotPublishedError,
        UnsupportedEncodingError,
        InvalidParametersError([("timeout", "give it once")]),
        QueueFullError,
        DeadlineExceededError,
    ),
}


class InferQuery(BaseModel):
    """Empty query: the protocol defines none, and query parameters are ignored."""


def _documented(path: str) -> dict[str, Any]:
    return {
        "path": path,
        "response_model": InferenceResponse,
        "responses": _RESPONSES,
        "openapi_extra": {"requestBody": _BODY, "parameters": path_parameters(path), **OPTIONAL_KEY},
    }


@router.post(**_documented("/{model}/infer"))
async def v2_infer(request: Request, query: Annotated[InferQuery, Query()]) -> Response:
    """Run the champion of a model on images of its input size.

    Outputs are `logits`, `probabilities` (after temperature) and `label`; `classification` in an output's parameters
    ranks classes as `value:index:label`. The request's `precision` chooses a variant, and its `timeout` is in
    microseconds. Bodies may be compressed with gzip or deflate.
    """
    return await _infer(request)


@router.post(**_documented("/{model}/versions/{version}/infer"))
async def v2_infer_version(request: Request, query: Annotated[InferQuery, Query()]) -> Response:
    """Run one version, as above."""
    return await _infer(request)


async def _infer(request: Request) -> Response:
    reference = await reference_in(request)
    state = state_of(request)
    context = state["context"]
    engine = state["engine"]
    caller = state["caller"].id
    served = state["served"] = await engine.admit(
        reference.family, reference.version, deadline=context.deadline, caller=caller
    )
    with closing(DisconnectWatcher(request.scope, request.receive)) as client:
        call, decode_seconds = await _read(request, served, client)
        if call.precision is not None:
            served = await engine.admit(
                served.family, served.version, call.precision, deadline=context.deadline, caller=caller
            )
        deadline = context.deadline
        if call.timeout_seconds is not None:
            deadline = min(deadline, context.started + call.timeout_seconds)
        inference = await engine.infer(
            served,
            call.images_NHWC,
            decode_seconds=decode_seconds,
            begun=context.started,
            deadline=deadline,
            client=client,
            request_id=context.id,
        )
    response = _response(answer_of(call, served, inference.outputs))
    record_step("postprocess", inference.outputs.started)
    return response


async def _read(request: Request, served: ModelVariant, client: DisconnectWatcher) -> tuple[Call, float]:
    """Parse the body; returns the call and the seconds of parsing. The body is released on return."""
    state, headers = state_of(request), request.scope["headers"]
    framing = read_framing(headers)
    deadline = state["context"].deadline
    body = await traced(
        "receive", state["body_reader"].read_whole(headers, request.receive, deadline=deadline, compressed=True)
    )
    started = time.perf_counter()
    shape_HWC = (*served.size, served.manifest.input.channels)
    parse = partial(_parsed, body, framing, shape_HWC, state["settings"])
    if framing.encoding is None and len(body) <= _INLINE_BYTES:
        call = parse()
    else:
        call = await state["engine"].parse(parse, deadline=deadline, client=client)
    record_step("decode", started)
    return call, time.perf_counter() - started


def _parsed(body: bytes, framing: Framing, shape_HWC: ImageShape, settings: Settings) -> Call:
    limit = min(settings.max_body_bytes, max_content_bytes(shape_HWC, settings.queue_size))
    content = body if framing.encoding is None else decompressed(body, framing.encoding, limit)
    if len(content) > limit:
        raise BodyTooLargeError(limit)
    return read_call(content, framing.json_length, shape_HWC, max_images=settings.queue_size)


def _response(answer: Answer) -> Response:
    if answer.json_length is None:
        return Response(answer.content, media_type="application/json")
    headers = {JSON_LENGTH: str(answer.json_length)}
    return Response(answer.content, media_type="application/octet-stream", headers=headers)
