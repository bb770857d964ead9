"""Responses of /compare with explanations: JSON with an image per model, or one PNG image."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from starlette.responses import Response

from service.api.responses.saliency import explanation_facts, panels, with_values
from service.engine.engine import Comparison, Timings
from service.engine.loaded_model import ModelVariant
from service.observability.logging import RequestContext
from service.saliency.explainer import Explanation
from service.saliency.methods import Parameters
from service.saliency.render import Layout, comparison_picture, picture

ComparisonFormat = Literal["json", "png"]
COMPARISON_TYPES: dict[str, ComparisonFormat] = {"application/json": "json", "image/png": "png"}


@dataclass(frozen=True)
class CompareRender:
    """Explanation of one model and its parameters."""

    served: ModelVariant
    explanation: Explanation
    parameters: Parameters

    def facts(self) -> dict[str, Any]:
        """The explanation as JSON data, without map values and image."""
        return explanation_facts(self.explanation, self.served, self.parameters)


def rendered_comparison(
    comparison: Comparison,
    timings: Timings,
    renders: Sequence[CompareRender],
    form: ComparisonFormat,
    layout: Layout,
    context: RequestContext,
) -> Response:
    """Render the response; blocks while images are drawn."""
    if form == "png":
        images = [each.explanation.subject.image_HWC for each in renders]
        body = comparison_picture(images, [panels(each.explanation) for each in renders], layout)
        headers = {
            "X-Duet-Agree": str(comparison.agree).lower(),
            "X-Duet-Divergence": str(comparison.divergence),
            "X-Duet-Saliency": json.dumps([each.facts() for each in renders]),
            "Vary": "Accept",
        }
        return Response(body, headers=headers, media_type="image/png")
    content = {
        "predictions": comparison.predictions,
        "agree": comparison.agree,
        "divergence": comparison.divergence,
        "saliency": [_explained(each, layout) for each in renders],
        "timing_ms": _with_explanations(timings, renders).milliseconds(context.started),
        "request_id": context.id,
    }
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers={"Vary": "Accept"}, media_type="application/json")


def _explained(render: CompareRender, layout: Layout) -> dict[str, Any]:
    facts, explanation = render.facts(), render.explanation
    png = picture(explanation.subject.image_HWC, panels(explanation), layout)
    return {
        **facts,
        "maps": with_values(facts["maps"], explanation),
        "picture": f"data:image/png;base64,{b64encode(png).decode()}",
    }


def _with_explanations(timings: Timings, renders: Sequence[CompareRender]) -> Timings:
    return Timings(
        timings.decode,
        timings.queue + sum(each.explanation.queue_seconds for each in renders),
        timings.inference + sum(each.explanation.run_seconds for each in renders),
    )
