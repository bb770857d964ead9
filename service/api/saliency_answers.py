"""What an explanation looks like to a client: a picture, an array, or JSON, each with the same facts."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import orjson
from starlette.responses import Response

from core.statistics.calibration import softmax
from service.context import RequestContext
from service.engine.served import ServedVersion
from service.errors import NotAcceptableError
from service.saliency.explainer import Explanation
from service.saliency.methods import METHODS, Attribution, MethodName, Parameters
from service.saliency.render import Layout, Panel, is_flat, picture

Format = Literal["png", "npy", "json"]
MEDIA_TYPES: dict[str, Format] = {"image/png": "png", "application/x-npy": "npy", "application/json": "json"}
_TYPES = {form: media_type for media_type, form in MEDIA_TYPES.items()}


def answer_format(accept: str) -> Format:
    """The best format by the header Accept (RFC 9110, section 12.5.1); a picture where it is all the same.

    Raises:
        NotAcceptableError: none of them is accepted.
    """
    weights = {media_type: _weight(accept, media_type) for media_type in MEDIA_TYPES}
    best = max(weights, key=lambda media_type: weights[media_type])
    if weights[best] <= 0:
        raise NotAcceptableError(accept, list(MEDIA_TYPES))
    return MEDIA_TYPES[best]


@dataclass(frozen=True)
class Asked:
    """What was explained, and how it shall be shown; `form` is one of the formats, `layout` that of a picture."""

    served: ServedVersion
    parameters: Parameters
    filename: str | None
    notes: tuple[str, ...]
    form: Format
    layout: Layout


def rendered(explanation: Explanation, asked: Asked, context: RequestContext) -> Response:
    """The answer; blocks while a picture is drawn."""
    served, form = asked.served, asked.form
    target = _target(explanation, served)
    maps = [_facts(name, each, asked.parameters) for name, each in explanation.attributions.items()]
    arrays = [each.map_HW.astype(np.float32) for each in explanation.attributions.values()]
    if form == "json":
        answer = {
            "filename": asked.filename,
            "model": served.family,
            "version": served.version,
            "predicted": served.labels[int(explanation.subject.logits_K.argmax())],
            "target": target,
            "maps": [{**facts, "values": values_HW} for facts, values_HW in zip(maps, arrays, strict=True)],
            "notes": asked.notes,
            "timing_ms": {
                "queue": round(explanation.queue_seconds * 1000, 3),
                "inference": round(explanation.run_seconds * 1000, 3),
                "total": round((time.perf_counter() - context.started) * 1000, 3),
            },
            "request_id": context.id,
        }
        return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type=_TYPES[form])
    if form == "npy":
        stream = io.BytesIO()
        np.save(stream, arrays[0] if len(arrays) == 1 else np.stack(arrays))
        body = stream.getvalue()
    else:
        panels = [Panel(each.map_HW, METHODS[name].signed) for name, each in explanation.attributions.items()]
        body = picture(explanation.subject.image_HWC, panels, asked.layout)
    headers = {
        "X-Duet-Model": served.manifest.reference,
        "X-Duet-Predicted": quote(served.labels[int(explanation.subject.logits_K.argmax())]),
        "X-Duet-Target": quote(str(target["label"])),
        "X-Duet-Target-Facts": json.dumps(target),
        "X-Duet-Maps": json.dumps(maps),
        "X-Duet-Notes": json.dumps(asked.notes),
        "Vary": "Accept",
    }
    return Response(body, headers=headers, media_type=_TYPES[form])


def _target(explanation: Explanation, served: ServedVersion) -> dict[str, Any]:
    subject = explanation.subject
    probabilities_NK = softmax(subject.logits_K[np.newaxis], served.calibration.temperature)
    return {
        "label": served.labels[subject.target],
        "index": subject.target,
        "logit": float(subject.logits_K[subject.target]),
        "probability": round(float(probabilities_NK[0, subject.target]), 6),
    }


def _facts(name: MethodName, attribution: Attribution, parameters: Parameters) -> dict[str, Any]:
    method, complete = METHODS[name], attribution.completeness
    return {
        "method": name,
        "parameters": {each: getattr(parameters, each) for each in method.parameters},
        "signed": method.signed,
        "minimum": float(attribution.map_HW.min()),
        "maximum": float(attribution.map_HW.max()),
        "flat": is_flat(attribution.map_HW),
        "completeness": complete
        and {
            "attributed": complete.attributed,
            "expected": complete.expected,
            "gap": complete.gap,
            "relative_gap": complete.relative_gap,
        },
    }


def _weight(accept: str, media_type: str) -> float:
    """The weight of the most specific range that holds the media type; 0 where none does."""
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    best, weight = len(ranges), 0.0
    for part in accept.lower().split(","):
        name, *options = (piece.strip() for piece in part.split(";"))
        if name in ranges[:best]:
            best, weight = ranges.index(name), _quality(options)
    return weight


def _quality(options: list[str]) -> float:
    stated = [option.removeprefix("q=") for option in options if option.startswith("q=")]
    try:
        return min(1.0, max(0.0, float(stated[0]))) if stated else 1.0
    except ValueError:
        return 0.0
