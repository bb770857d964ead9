"""Explanations as responses: PNG image, NumPy array or JSON, with the same facts in the body or in headers."""

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
from service.engine.arrays import Floats
from service.engine.loaded_model import ModelVariant
from service.observability.logging import RequestContext
from service.saliency.explainer import Explanation
from service.saliency.methods import METHODS, Attribution, MethodName, Parameters
from service.saliency.render import Layout, Panel, is_flat, picture

Format = Literal["png", "npy", "json"]
MEDIA_TYPES: dict[str, Format] = {"image/png": "png", "application/x-npy": "npy", "application/json": "json"}
_TYPES = {form: media_type for media_type, form in MEDIA_TYPES.items()}


@dataclass(frozen=True)
class SaliencyRender:
    """Explained model and image, response format, and layout of the PNG image."""

    served: ModelVariant
    parameters: Parameters
    filename: str | None
    notes: tuple[str, ...]
    form: Format
    layout: Layout


def rendered(explanation: Explanation, render: SaliencyRender, context: RequestContext) -> Response:
    """Render the response; blocks while an image is drawn."""
    form, facts = render.form, explanation_facts(explanation, render.served, render.parameters)
    if form == "json":
        content = {
            "filename": render.filename,
            **facts,
            "maps": with_values(facts["maps"], explanation),
            "notes": render.notes,
            "timing_ms": {
                "queue": round(explanation.queue_seconds * 1000, 3),
                "inference": round(explanation.run_seconds * 1000, 3),
                "total": round((time.perf_counter() - context.started) * 1000, 3),
            },
            "request_id": context.id,
        }
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, headers={"Vary": "Accept"}, media_type=_TYPES[form])
    if form == "npy":
        stream = io.BytesIO()
        arrays = _arrays(explanation)
        np.save(stream, arrays[0] if len(arrays) == 1 else np.stack(arrays))
        body = stream.getvalue()
    else:
        body = picture(explanation.subject.image_HWC, panels(explanation), render.layout)
    headers = {
        "X-Duet-Model": render.served.manifest.reference,
        "X-Duet-Predicted": quote(facts["predicted"]),
        "X-Duet-Target": quote(facts["target"]["label"]),
        "X-Duet-Target-Facts": json.dumps(facts["target"]),
        "X-Duet-Maps": json.dumps(facts["maps"]),
        "X-Duet-Notes": json.dumps(render.notes),
        "Vary": "Accept",
    }
    return Response(body, headers=headers, media_type=_TYPES[form])


def explanation_facts(explanation: Explanation, served: ModelVariant, parameters: Parameters) -> dict[str, Any]:
    """Explained model, class and facts about each map without its values, as JSON data."""
    return {
        "model": served.family,
        "version": served.version,
        "predicted": served.labels[int(explanation.subject.logits_K.argmax())],
        "target": _target(explanation, served),
        "maps": [_facts(name, each, parameters) for name, each in explanation.attributions.items()],
    }


def with_values(maps: list[dict[str, Any]], explanation: Explanation) -> list[dict[str, Any]]:
    """The facts of each map together with its values, float32 [H, W]."""
    return [{**facts, "values": values_HW} for facts, values_HW in zip(maps, _arrays(explanation), strict=True)]


def panels(explanation: Explanation) -> list[Panel]:
    """The maps as panels of an image."""
    return [Panel(each.map_HW, METHODS[name].signed) for name, each in explanation.attributions.items()]


def _arrays(explanation: Explanation) -> list[Floats]:
    return [each.map_HW.astype(np.float32) for each in explanation.attributions.values()]


def _target(explanation: Explanation, served: ModelVariant) -> dict[str, Any]:
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
        "kept_share": attribution.kept_share,
    }
