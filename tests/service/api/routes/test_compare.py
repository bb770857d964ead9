from __future__ import annotations

import numpy as np
import pytest

from core.schemas.api import CompareResponse
from core.statistics.calibration import softmax
from core.statistics.comparison import jensen_shannon_bits
from tests.support.onnx_models import expected_logits, gray_png, write_onnx_version
from tests.support.service import RunningApp

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = {"content-type": "image/png"}


async def compared(shared: RunningApp, gray: int, query: str = "") -> CompareResponse:
    answer = await shared.client.post(f"/compare{query}", content=gray_png(gray), headers=RAW)
    assert answer.status_code == 200, answer.text
    return CompareResponse.model_validate_json(answer.content)


async def test_compare_champions_disagree_on_black(shared: RunningApp) -> None:
    comparison = await compared(shared, 0)
    assert [(one.model, one.version, one.label) for one in comparison.predictions] == [
        ("mlp", 1, "white"),
        ("cnn", 1, "black"),
    ]
    assert comparison.agree is False


async def test_compare_champions_agree_on_gray(shared: RunningApp) -> None:
    comparison = await compared(shared, 128)
    assert comparison.agree is True
    assert comparison.divergence < 0.01


async def test_divergence_matches_the_probabilities(shared: RunningApp) -> None:
    probabilities_K = softmax(expected_logits(96), temperature=1.25)
    expected = jensen_shannon_bits(np.stack([probabilities_K, probabilities_K[::-1]]))
    assert 0.05 < expected < 0.95
    assert (await compared(shared, 96)).divergence == pytest.approx(expected, abs=1e-4)


async def test_version_compared_with_itself_has_no_divergence(shared: RunningApp) -> None:
    comparison = await compared(shared, 96, "?models=cnn,cnn@1&top_k=1")
    assert comparison.divergence == 0
    assert comparison.agree is True
    assert [len(one.top) for one in comparison.predictions] == [1, 1]


async def test_compare_uses_the_union_of_classes(shared: RunningApp) -> None:
    models = shared.state["repository"].home_models
    write_onnx_version(
        models / "big" / "1", "big", 1, classes=("night", "day"), size=16, test_answers=(0, 1), test_labels=(0, 1)
    )
    comparison = await compared(shared, 255, "?models=big@1,cnn")
    assert [one.label for one in comparison.predictions] == ["day", "white"]
    assert comparison.predictions[0].notes == ("resized from 8x8",)
    assert comparison.agree is False
    assert comparison.divergence == pytest.approx(1.0, abs=1e-3)
