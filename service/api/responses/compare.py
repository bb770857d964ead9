"""What a comparison with explanations looks like to a client: JSON with a picture per model, or one picture."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from starlette.responses import Response

from service.api.responses.json import timing
from service.api.responses.saliency import explanation_facts, panels, with_values
from service.engine.engine import Comparison, Timings
from service.engine.loaded_model import ModelVariant
from service.observability.request_context import RequestContext
from service.saliency.explainer import Explanation
from service.saliency.methods import Parameters
from service.saliency.render import Layout, comparison_picture, picture

ComparisonFormat = Literal["json", "png"]
COMPARISON_TYPES: dict[str, ComparisonFormat] = {"application/json": "json", "image/png": "png"}


@dataclass(frozen=True)
class CompareRender:
    """What explains one version's answer, and by which parameters."""

    served: ModelVariant
    explanation: Explanation
    parameters: Parameters

    def facts(self) -> dict[str, Any]:
        """All but values and picture."""
        return explanation_facts(self.explanation, self.served, self.parameters)


def rendered_comparison(
    comparison: Comparison,
    timings: Timings,
    told: Sequence[CompareRender],
    form: ComparisonFormat,
    layout: Layout,
    context: RequestContext,
) -> Response:
    """The answer; blocks while pictures are drawn."""
    if form == "png":
        images = [each.explanation.subject.image_HWC for each in told]
        body = comparison_picture(images, [panels(each.explanation) for each in told], layout)
        headers = {
            "X-Duet-Agree": str(comparison.agree).lower(),
            "X-Duet-Divergence": str(comparison.divergence),
            "X-Duet-Saliency": json.dumps([each.facts() for each in told]),
            "Vary": "Accept",
        }
        return Response(body, headers=headers, media_type="image/png")
    answer = {
        "predictions": comparison.predictions,
        "agree": comparison.agree,
        "divergence": comparison.divergence,
        "saliency": [_explained(each, layout) for each in told],
        "timing_ms": timing(_with_explanations(timings, told), context),
        "request_id": context.id,
    }
    body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers={"Vary": "Accept"}, media_type="application/json")


def _explained(told: CompareRender, layout: Layout) -> dict[str, Any]:
    facts, explanation = told.facts(), told.explanation
    png = picture(explanation.subject.image_HWC, panels(explanation), layout)
    return {
        **facts,
        "maps": with_values(facts["maps"], explanation),
        "picture": f"data:image/png;base64,{b64encode(png).decode()}",
    }


def _with_explanations(timings: Timings, told: Sequence[CompareRender]) -> Timings:
    return Timings(
        timings.decode,
        timings.queue + sum(each.explanation.queue_seconds for each in told),
        timings.inference + sum(each.explanation.run_seconds for each in told),
    )
