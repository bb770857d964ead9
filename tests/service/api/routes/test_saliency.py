"""POST /saliency on small models with known gradients; references are in tests/service/saliency."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio
from PIL import Image

from core.repository.manifest import GRADIENT_GRAPH
from core.repository.onnx_session import open_session
from core.schemas.api import SaliencyResponse
from core.statistics.calibration import softmax
from tests.support.gradient_graphs import expected_slope, gradient_graph, write_explainable
from tests.support.onnx_models import CLASSES, SIZE, brightness_of, expected_logits, gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = {"content-type": "image/png"}
ALL = "saliency,input_x_gradient,smoothgrad,integrated_gradients,grad_cam,occlusion"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2])
async def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """The app with models on the event loop, and on threads."""
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    async with running_app(settings_for(home, threads=request.param)) as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def explaining(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    async with running_app(settings_for(home)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(tmp_path: Path) -> AsyncIterator[RunningApp]:
    """An app that has not loaded a gradient graph yet."""
    write_explainable(tmp_path)
    async with running_app(settings_for(tmp_path)) as app:
        yield app


def ramp() -> npt.NDArray[np.uint8]:
    """An image whose brightness increases from left to right."""
    return np.tile(np.arange(SIZE, dtype=np.uint8)[None, :, None] * 30, (SIZE, 1, 3))


def png_of(image_HWC: npt.NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image_HWC).save(stream, "PNG")
    return stream.getvalue()


async def as_json(app: RunningApp, content: bytes, **query: Any) -> SaliencyResponse:
    answer = await app.client.post("/saliency", params={"format": "json", **query}, content=content, headers=RAW)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return SaliencyResponse.model_validate_json(answer.content)


async def test_methods_match_the_linear_model(either: RunningApp) -> None:
    answer = await as_json(either, png_of(ramp()), method=ALL, target="light", window=1, stride=1)
    slope, pixels_HWC = expected_slope(3), ramp() / 255
    found = {each.method: np.array(each.values) for each in answer.maps}
    assert list(found) == ALL.split(",")
    np.testing.assert_allclose(found["saliency"], slope, rtol=1e-5)
    np.testing.assert_allclose(found["smoothgrad"], slope, rtol=1e-5)
    for method in ("input_x_gradient", "integrated_gradients", "occlusion"):
        np.testing.assert_allclose(found[method], slope * pixels_HWC.sum(axis=-1), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["grad_cam"], slope * pixels_HWC.sum(axis=-1), rtol=1e-4)
    assert {each.method: each.flat for each in answer.maps} == {
        "saliency": True,
        "smoothgrad": True,
        "input_x_gradient": False,
        "integrated_gradients": False,
        "occlusion": False,
        "grad_cam": False,
    }


async def test_response_describes_target_and_method(explaining: RunningApp) -> None:
    answer = await as_json(
        explaining, gray_png(brightness_of("light")), method="occlusion,integrated_gradients", steps=5
    )
    logits_K = expected_logits(brightness_of("light"))
    assert (answer.model, answer.version, answer.filename, answer.predicted) == ("cnn", 1, None, "light")
    assert (answer.target.label, answer.target.index) == ("light", 3)
    assert answer.target.logit == pytest.approx(logits_K[3], rel=1e-5)
    assert answer.target.probability == pytest.approx(softmax(logits_K[None], 1.25)[0, 3], abs=1e-5)
    occlusion, integrated = answer.maps
    assert occlusion.parameters == {"window": 1, "stride": 1, "baseline": "black"}
    assert integrated.parameters == {"steps": 5, "baseline": "black"}
    assert occlusion.completeness is None
    assert integrated.completeness
    assert integrated.completeness.expected == pytest.approx(logits_K[3] - expected_logits(0)[3], rel=1e-4)
    assert integrated.completeness.gap <= 1e-3
    assert integrated.completeness.gap == pytest.approx(
        abs(integrated.completeness.attributed - integrated.completeness.expected)
    )
    values = np.array(integrated.values)
    assert (integrated.minimum, integrated.maximum) == pytest.approx((values.min(), values.max()))
    assert answer.timing_ms.inference > 0


async def test_smoothgrad_has_the_share_of_kept_predictions(explaining: RunningApp) -> None:
    """The prediction depends on the mean of all pixels, which noise hardly moves unless it lies between classes."""
    light = brightness_of("light")
    sure, other = [
        (await as_json(explaining, gray_png(gray), method="smoothgrad,saliency", samples=64, noise=noise)).maps
        for gray, noise in ((light, 0.01), (light + 32, 1.0))
    ]
    assert sure[0].kept_share == 1.0
    assert other[0].kept_share is not None
    assert 0 < other[0].kept_share < 1
    assert sure[1].kept_share is None


async def test_array_and_png_have_the_same_headers(explaining: RunningApp) -> None:
    content, query = png_of(ramp()), {"method": "input_x_gradient,integrated_gradients", "target": "white"}
    expected = await as_json(explaining, content, **query)
    for form in ("npy", "png"):
        answer = await explaining.client.post(
            "/saliency", params={"format": form, **query}, content=content, headers=RAW
        )
        assert answer.status_code == 200
        assert answer.headers["x-duet-model"] == "cnn@1"
        assert answer.headers["x-duet-predicted"] == expected.predicted
        assert answer.headers["x-duet-target"] == "white"
        assert json.loads(answer.headers["x-duet-target-facts"]) == expected.target.model_dump()
        # The points of a path are run as many at a time as the machine's pace allows, and summed in that order.
        for stated, each in zip(json.loads(answer.headers["x-duet-maps"]), expected.maps, strict=True):
            facts = each.model_dump(exclude={"values"})
            assert stated.keys() == facts.keys()
            for name, fact in facts.items():
                summed = isinstance(fact, float) or (name == "completeness" and fact is not None)
                assert stated[name] == (pytest.approx(fact, rel=1e-5) if summed else fact)
        assert json.loads(answer.headers["x-duet-notes"]) == []


async def test_array_of_several_methods_has_a_method_axis(explaining: RunningApp) -> None:
    content = png_of(ramp())
    expected = await as_json(explaining, content, method="input_x_gradient,grad_cam")
    for method, maps in (("input_x_gradient", 1), ("input_x_gradient,grad_cam", 2)):
        query = {"format": "npy", "method": method}
        answer = await explaining.client.post("/saliency", params=query, content=content, headers=RAW)
        assert answer.headers["content-type"] == "application/x-npy"
        found = np.load(io.BytesIO(answer.content), allow_pickle=False)
        assert found.dtype == np.float32
        assert found.shape == ((SIZE, SIZE) if maps == 1 else (maps, SIZE, SIZE))
        for each_HW, stated in zip(found.reshape(-1, SIZE, SIZE), expected.maps[:maps], strict=True):
            np.testing.assert_array_equal(each_HW, np.array(stated.values, np.float32))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("application/json", "application/json"),
        ("application/x-npy, */*;q=0.1", "application/x-npy"),
        ("image/png;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html, image/png;q=0, application/*;q=0.2", "application/x-npy"),
        ("", "image/png"),
    ],
)
async def test_accept_header_selects_the_format(explaining: RunningApp, accept: str | None, media_type: str) -> None:
    headers = RAW if accept is None else {**RAW, "accept": accept}
    answer = await explaining.client.post("/saliency", content=gray_png(9), headers=headers)
    assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "Accept")
    forced = await explaining.client.post("/saliency?format=json", content=gray_png(9), headers=headers)
    assert forced.headers["content-type"] == "application/json"


async def test_several_lines_of_the_header_accept_are_one_list(explaining: RunningApp) -> None:
    lines = [*RAW.items(), ("accept", "text/html"), ("accept", "image/png;q=0.5"), ("accept", "application/json")]
    answer = await explaining.client.post("/saliency", content=gray_png(9), headers=lines)
    assert answer.headers["content-type"] == "application/json"


async def test_form_upload_names_its_file(explaining: RunningApp) -> None:
    files = {"file": ("rex.png", gray_png(200, size=20), "image/png")}
    answer = await explaining.client.post("/saliency?format=json", files=files)
    parsed = SaliencyResponse.model_validate_json(answer.content)
    assert parsed.filename == "rex.png"
    assert parsed.notes == ("resized from 20x20",)
    assert np.array(parsed.maps[0].values).shape == (SIZE, SIZE)


async def test_constant_map_is_drawn(explaining: RunningApp) -> None:
    for layout in ("side_by_side", "blend"):
        query = {"method": ALL, "layout": layout}
        answer = await explaining.client.post("/saliency", params=query, content=gray_png(0), headers=RAW)
        with Image.open(io.BytesIO(answer.content)) as drawn:
            drawn.load()
            assert drawn.format == "PNG"
            assert drawn.height >= 256


async def test_target_accepts_label_or_index(explaining: RunningApp) -> None:
    for target in ("grey", "2"):
        assert (await as_json(explaining, gray_png(9), target=target)).target.label == "grey"


async def test_smoothgrad_is_the_same_again_with_the_same_seed(explaining: RunningApp) -> None:
    one, same = [(await as_json(explaining, gray_png(9), method="smoothgrad", seed=3)).maps for _ in range(2)]
    assert one == same


async def test_unknown_target_lists_the_classes(explaining: RunningApp) -> None:
    for target in ("tiger", "5", "-1", "", "9" * 30):
        answer = await explaining.client.post("/saliency", params={"target": target}, content=gray_png(9), headers=RAW)
        problem = assert_problem(answer, 422, "unknown-target")
        assert problem["classes"] == list(CLASSES)
        assert "4 white" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("method=lime", "method"),
        ("method=", "method"),
        ("method=saliency,", "method"),
        ("steps=0&method=integrated_gradients", "steps"),
        ("steps=257", "steps"),
        ("steps=many", "steps"),
        ("samples=0", "samples"),
        ("samples=1000000", "samples"),
        ("noise=0", "noise"),
        ("noise=nan", "noise"),
        ("noise=inf", "noise"),
        ("seed=-1", "seed"),
        ("window=0", "window"),
        ("window=9", "window"),
        ("stride=0", "stride"),
        ("window=2&stride=3", "stride"),
        ("baseline=pink", "baseline"),
        ("format=gif", "format"),
        ("layout=stacked", "layout"),
        ("colour=red", "colour"),
        ("version=0", "version"),
    ],
)
async def test_parameters_out_of_range_are_named(explaining: RunningApp, query: str, parameter: str) -> None:
    answer = await explaining.client.post(f"/saliency?{query}", content=gray_png(9), headers=RAW)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == [parameter]


async def test_unknown_method_lists_the_methods(explaining: RunningApp) -> None:
    answer = await explaining.client.post("/saliency?method=saliency,lime", content=gray_png(9), headers=RAW)
    detail = assert_problem(answer, 422, "invalid-parameters")["detail"]
    assert "'lime'" in detail
    assert all(method in detail for method in ALL.split(","))


async def test_grad_cam_of_a_dense_network_is_refused(explaining: RunningApp) -> None:
    answer = await explaining.client.post("/saliency?model=mlp&method=grad_cam", content=gray_png(9), headers=RAW)
    problem = assert_problem(answer, 422, "method-does-not-fit")
    assert problem["available"] == [method for method in ALL.split(",") if method != "grad_cam"]
    assert "mlp@1" in problem["detail"]


async def test_missing_gradient_graph_says_to_republish(explaining: RunningApp) -> None:
    answer = await explaining.client.post("/saliency?version=2", content=gray_png(9), headers=RAW)
    problem = assert_problem(answer, 409, "no-gradient")
    assert "duet export cnn@2" in problem["detail"]


async def test_damaged_gradient_graph_keeps_predictions(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_onnx_version(models / "cnn" / "1", "cnn", 1, extra_files={GRADIENT_GRAPH: b"not a graph"})
    set_champions(models, cnn=1)
    async with running_app(settings_for(tmp_path)) as app:
        for _ in range(2):
            answer = await app.client.post("/saliency", content=gray_png(9), headers=RAW)
            problem = assert_problem(answer, 409, "version-refused")
            assert "gradient.onnx cannot be opened" in problem["detail"]
            assert str(tmp_path) not in answer.text
        assert (await app.client.post("/predict", content=gray_png(9), headers=RAW)).status_code == 200


async def test_gradient_graph_is_loaded_once(fresh: RunningApp) -> None:
    served = fresh.state["engine"].models.champions["cnn"].default
    assert served.gradient
    assert served.gradient._opening is None
    await asyncio.gather(*(as_json(fresh, gray_png(9)) for _ in range(3)))
    opened = await served.gradient.opened()
    await as_json(fresh, gray_png(9))
    assert await served.gradient.opened() is opened


async def test_gradient_graphs_load_one_at_a_time(fresh: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    models = fresh.state["repository"].home_models
    for version in (3, 4, 5):
        graph = {GRADIENT_GRAPH: gradient_graph(features=True)}
        write_onnx_version(models / "cnn" / str(version), "cnn", version, extra_files=graph)
    opening, most, opened = 0, 0, []

    def counted(path: Path, *, threads: int) -> Any:
        nonlocal opening, most
        if path.name != GRADIENT_GRAPH:
            return open_session(path, threads=threads)
        opening += 1
        most = max(most, opening)
        time.sleep(0.05)
        opened.append(path)
        opening -= 1
        return open_session(path, threads=threads)

    monkeypatch.setattr("service.engine.gradient_model.open_session", counted)
    await asyncio.gather(*(as_json(fresh, gray_png(9), version=version) for version in (1, 3, 4, 5)))
    assert (len(opened), most) == (4, 1)
