"""Playground in a real browser, with the shipped models."""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import (
    NARROW,
    WIDE,
    assert_accessible,
    assert_fits,
    layout_shift,
    needs_chromium,
    served_site,
    visiting,
)
from tests.support.pictures import noise
from tests.support.playground import CAT, answered, opened, pick
from tests.support.service import ServiceProcess
from tests.support.versions import champion, predecessor, publish_unexplained

pytestmark = [pytest.mark.browser, needs_chromium]
OLDER = str(predecessor("cnn"))
UNEXPLAINED = 90
HOSTILE = """it's, a "cat"; <img src=x onerror=alert(1)>.jpg"""
METHODS = ["Saliency", "Input × gradient", "SmoothGrad", "Integrated gradients", "Grad-CAM", "Occlusion"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    data = tmp_path_factory.mktemp("data")
    pixels_NHWC = np.stack([noise(32, 32, seed) for seed in range(40)])
    planes_ND = np.ascontiguousarray(pixels_NHWC.transpose(0, 3, 1, 2)).reshape(40, -1)
    (data / "test_batch").write_bytes(pickle.dumps({"labels": [7, 3] * 20, "data": planes_ND}, protocol=2))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "<b>horse</b>", "ship", "truck"]
    (data / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))
    home = tmp_path_factory.mktemp("home")
    publish_unexplained(home / "models", "cnn", UNEXPLAINED)
    with served_site(home, DUET_EMBEDDED_BROKER="0", DUET_DATA_DIR=str(data)) as service:
        yield service


def choose_part(page: Page) -> None:
    """Select the largest centered crop."""
    page.get_by_label("Crop", exact=True).check(force=True)


def truth(site: ServiceProcess, content: bytes, **query: str) -> dict[str, Any]:
    """Response of the service to the same request without a browser."""
    query = {"models": "mlp,cnn", "top_k": "1000", **query}
    answer = httpx.post(f"{site.url}/compare", params=query, files={"file": content}, timeout=30)
    comparison: dict[str, Any] = answer.raise_for_status().json()
    return comparison


def percent(probability: float) -> str:
    share = probability * 100
    return "< 0.1 %" if share < 0.05 else "> 99.9 %" if share > 99.95 else f"{share:.1f} %"


def give(page: Page, kind: str, content: bytes, name: str, media_type: str) -> None:
    """Dispatch the browser event of dropping or pasting a file."""
    page.evaluate(
        """([kind, content, name, type]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name, { type }));
          if (kind === "drop") for (const step of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(step, { dataTransfer: data, bubbles: true, cancelable: true }));
          else document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        [kind, base64.b64encode(content).decode(), name, media_type],
    )


@pytest.mark.parametrize("kind", [pytest.param("drop", marks=pytest.mark.smoke), "paste"])
def test_image_is_classified_by_both_models(browser: Browser, site: ServiceProcess, kind: str) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        give(page, kind, CAT.read_bytes(), "cat.jpg", "image/jpeg")
        expected = truth(site, CAT.read_bytes())
        for prediction in expected["predictions"]:
            card = page.get_by_role("article", name=prediction["model"])
            expect(card.locator(".said")).to_have_text(prediction["label"])
            expect(card.locator(".sure")).to_have_text(percent(prediction["probability"]))
            rows = card.locator("ul.bars li").all_text_contents()
            assert rows == [f"{top['label']}{percent(top['probability'])}" for top in prediction["top"]]
            shares = card.locator(".bar").evaluate_all(
                "bars => bars.map(bar => +getComputedStyle(bar).getPropertyValue('--share'))"
            )
            assert shares == pytest.approx([top["probability"] for top in prediction["top"]])
            expect(card.locator(".could")).to_contain_text(", ".join(prediction["prediction_set"]))
            expect(card).to_contain_text(f"Preprocessing: {'; '.join(prediction['notes'])}.")
        told = "Both predict cat." if expected["agree"] else "They differ"
        expect(page.get_by_role("status")).to_contain_text(told)
        expect(page.get_by_role("status")).to_contain_text(re.compile(r"Inference [\d.]+ ms"))


def test_invalid_image_shows_the_error_and_the_next_works(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        visit.expect("status of 422")
        page = opened(visit)
        pick(page, {"name": "<i>notes</i>.png", "mimeType": "image/png", "buffer": b"this is text"})
        expect(page.get_by_role("alert")).to_contain_text("<i>notes</i>.png: the data is not an image")
        expect(page.get_by_role("alert")).to_contain_text("Request ")
        expect(page.get_by_role("article", name="cnn").locator(".said")).to_have_text("–")
        expect(page.locator("#answers")).not_to_have_attribute("aria-busy", "true")
        assert page.locator("i").count() == 0
        pick(page)
        answered(page, "cnn", "cat")


def test_out_of_distribution_images_show_a_warning(browser: Browser, site: ServiceProcess) -> None:
    contents = {
        name: Image.fromarray(pixels)
        for name, pixels in (("noise", noise(32, 32)), ("plain", np.zeros((32, 32, 3), np.uint8)))
    }
    flags = set()
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        for name, image in contents.items():
            stream = io.BytesIO()
            image.save(stream, "PNG")
            pick(page, {"name": f"{name}.png", "mimeType": "image/png", "buffer": stream.getvalue()})
            for prediction in truth(site, stream.getvalue())["predictions"]:
                card = page.get_by_role("article", name=prediction["model"])
                expect(card.locator(".sure")).to_have_text(percent(prediction["probability"]))
                flag = prediction["out_of_distribution"]["flag"]
                flags.add(flag)
                assert card.get_by_text("Out of distribution").is_visible() == flag
                held = "The 99 % coverage holds only for images like the training data, and this image is flagged"
                promised = "For images like the training data, the set contains the true class in 99 % of the cases."
                expect(card.locator(".could")).to_contain_text(held if flag else promised)
    assert True in flags


def test_crop_moves_by_keys_and_mouse(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url, size=WIDE) as visit:
        page = opened(visit)
        pick(page)
        answered(page, "cnn", "cat")
        box = page.get_by_role("slider", name="Size of the crop")
        seen = page.get_by_role("figure").filter(has_text="cnn").get_by_role("img", name="Input of cnn")
        expect(seen).to_be_visible()
        expect(box).to_be_hidden()
        whole = seen.get_attribute("src") or ""
        choose_part(page)
        expect(seen).not_to_have_attribute("src", whole)
        box.focus()
        for key in ("Shift+ArrowRight", "ArrowLeft", "Minus", "ArrowDown"):
            before = seen.get_attribute("src") or ""
            with page.expect_request("**/compare*") as asked:
                page.keyboard.press(key)
            expect(seen).not_to_have_attribute("src", before)
        left, top, width, height = map(int, re.findall(r"crop=(\d+)%2C(\d+)%2C(\d+)%2C(\d+)", asked.value.url)[0])
        assert (left, top, width, height) == (76 + 30 - 6 + 6, 6 + 6, 300 - 12, 300 - 12)
        assert (
            box.get_attribute("aria-valuetext")
            == f"{width} by {height} pixels, {left} from the left and {top} from the top"
        )
        drawn = seen.evaluate(
            """async (image) => { await image.decode();
              const canvas = document.createElement("canvas");
              [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
              const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
              return [...context.getImageData(0, 0, canvas.width, canvas.height).data]; }"""
        )
        with CAT.open("rb") as file:
            view = httpx.post(
                f"{site.url}/view", params={"crop": f"{left},{top},{width},{height}"}, files={"file": file}
            )
        with Image.open(io.BytesIO(view.content)) as image:
            np.testing.assert_array_equal(np.array(drawn).reshape(32, 32, 4)[..., :3], np.asarray(image))

        stage = page.locator("#stage").bounding_box()
        corner = page.locator("#crop [data-edge=se]").bounding_box()
        assert stage
        assert corner
        page.mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
        with page.expect_request("**/compare*") as asked:
            page.mouse.down()
            page.mouse.move(corner["x"] - 60, corner["y"] - 60)
            page.mouse.up()
        pulled = list(map(int, re.findall(r"crop=(\d+)%2C(\d+)%2C(\d+)%2C(\d+)", asked.value.url)[0]))
        assert pulled[:2] == [left, top]
        assert pulled[2] == pulled[3]
        assert pulled[2] == pytest.approx(width - 72 * 451 / stage["width"], abs=3)

        with page.expect_request("**/compare*") as asked:
            page.get_by_label("Whole image").check(force=True)
        assert "crop" not in asked.value.url
        expect(box).to_be_hidden()
        expect(page.get_by_role("article", name="cnn")).to_contain_text("stretched")


def test_rotated_photo_is_cropped_as_shown(browser: Browser, site: ServiceProcess) -> None:
    stored, stream, exif = Image.fromarray(noise(300, 400)), io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # lying on its side: 300 pixels wide and 400 high to those who look at it
    stored.save(stream, "JPEG", exif=exif)
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        pick(page, {"name": "turned.jpg", "mimeType": "image/jpeg", "buffer": stream.getvalue()})
        with page.expect_request("**/compare*crop=*") as asked:
            choose_part(page)
        assert "crop=0%2C50%2C300%2C300" in asked.value.url
        expect(page.locator("#picture-facts")).to_contain_text("300 × 400 pixels")
        expect(page.get_by_role("article", name="cnn")).to_contain_text("cropped to 300x300 at 0,50")


def test_image_unknown_to_the_browser_is_classified(browser: Browser, site: ServiceProcess) -> None:
    stream = io.BytesIO()
    Image.open(CAT).save(stream, "TIFF")
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        pick(page, {"name": "cat.tiff", "mimeType": "image/tiff", "buffer": stream.getvalue()})
        expect(page.locator("#picture-facts")).to_contain_text("this browser cannot show it")
        expect(page.get_by_role("article", name="cnn")).to_contain_text("stretched, its proportions differ")
        expect(page.get_by_role("img", name="Input of cnn")).to_be_visible()


def test_crop_moves_by_touch(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url, size=NARROW, has_touch=True, is_mobile=True) as visit:
        page = opened(visit)
        pick(page)
        answered(page, "cnn", "cat")
        choose_part(page)
        page.locator("#crop").scroll_into_view_if_needed()
        box = page.locator("#crop").bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        devtools = page.context.new_cdp_session(page)
        devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 6):
            moved = [{"x": x + 6 * step, "y": y}]
            devtools.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": moved})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        where = page.locator("#crop").get_attribute("aria-valuetext") or ""
        [left] = re.findall(r"300 by 300 pixels, (\d+) from the left and 0 from the top", where)
        assert int(left) > 76 + 10
        # One who is slow is answered underway as well; the last answer is the one that counts.
        expect(page.get_by_role("article", name="cnn")).to_contain_text(f"cropped to 300x300 at {left},0")


def test_every_method_draws_its_map(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        pick(page)
        for method in METHODS:
            page.get_by_label(method, exact=True).check(force=True)
            expect(page.get_by_role("img", name=f"{method} of cnn for cat")).to_be_visible()
            if method == "Grad-CAM":
                expect(page.get_by_role("figure").filter(has_text="mlp")).to_contain_text("does not support this model")
                assert page.locator(".mlp .map").is_hidden()
            else:
                expect(page.get_by_role("img", name=re.compile(f"^{method} of mlp"))).to_be_visible()
        page.get_by_label("Target class").select_option("truck")
        expect(page.get_by_role("img", name="Occlusion of cnn for truck")).to_be_visible()
        expect(page.get_by_role("img", name="Occlusion of mlp for truck")).to_be_visible()
        slider = page.get_by_label("Map opacity")
        slider.focus()
        page.keyboard.press("End")
        expect(page.locator(".cnn .map")).to_have_css("opacity", "1")
        page.keyboard.press("Home")
        expect(page.locator(".cnn .map")).to_have_css("opacity", "0")
        expect(page).to_have_url(re.compile("method=occlusion&target=truck&strength=0"))


def test_test_image_link_restores_the_page(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        page.get_by_label("Integrated gradients").check(force=True)
        page.get_by_label("Version of cnn").select_option(str(UNEXPLAINED))
        page.evaluate("Math.random = () => 0.99")  # the last one, of the data set
        page.get_by_role("button", name="Random test image").click()
        facts = page.locator("#picture-facts")
        expect(facts).to_contain_text(re.compile(r"test-image-\d+\.png, 32 × 32 pixels"))
        [index] = re.findall(r"test-image-(\d+)", facts.text_content() or "")
        expect(page.get_by_role("status")).to_contain_text("True class: <b>horse</b>.")
        assert page.locator("b").count() == 0
        status = page.get_by_role("status").locator("strong").text_content()
        said = page.get_by_role("article", name="cnn").locator(".said").text_content()
        page.get_by_role("button", name="Copy link").click()
        link = page.evaluate("navigator.clipboard.readText()")
        assert f"sample={index}" in link
        again = opened(visit, link.removeprefix(f"{visit.service}/"))
        expect(again.get_by_role("status").locator("strong")).to_have_text(status or "")
        answered(again, "cnn", said or "")
        expect(again.get_by_label("Version of cnn").locator("option:checked")).to_have_text(f"version {UNEXPLAINED}")
        expect(again.get_by_label("Integrated gradients")).to_be_checked()
        expect(again.get_by_role("figure").filter(has_text="cnn")).to_contain_text("without gradient.onnx")
        expect(again.get_by_role("img", name=re.compile("Integrated gradients of mlp"))).to_be_visible()


def test_camera_takes_a_picture(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url, permissions=["camera"]) as visit:
        page = opened(visit)
        page.get_by_role("button", name="Take a photo").click()
        dialog = page.get_by_role("dialog", name="Take a photo")
        expect(dialog).to_be_visible()
        page.get_by_role("button", name="Take photo").click()
        expect(page.locator("#picture-facts")).to_contain_text("photograph.jpg")
        expect(page.get_by_role("status")).to_contain_text("Inference ")
        assert page.locator("#camera-video").evaluate("video => video.srcObject === null")


def test_camera_is_released_when_the_dialog_closes(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url, permissions=["camera"]) as visit:
        page = opened(visit)
        page.evaluate(
            """() => {
              const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
              window.streams = [];
              navigator.mediaDevices.getUserMedia = async (asked) => {
                const stream = await given(asked);
                window.streams.push(stream);
                return stream;
              };
              const dialog = document.getElementById("camera");
              new MutationObserver(() => {
                if (!dialog.open) return;
                window.shutter = document.getElementById("camera-take").disabled;
                dialog.close();
              }).observe(dialog, { attributes: true });
              const button = document.getElementById("photograph");
              button.click();
              button.click();
            }"""
        )
        page.wait_for_function("() => window.streams.length && window.streams.every((each) => !each.active)")
        assert page.evaluate("window.streams.length") == 1
        assert page.evaluate("window.shutter"), "nothing is to be seen yet"


@pytest.mark.parametrize("given", ["file", "test image"])
def test_copied_commands_give_the_same_result(
    browser: Browser, site: ServiceProcess, tmp_path: Path, given: str
) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(
            visit,
            f"?method=grad_cam&target=dog&models=mlp@{champion('mlp')}"
            + ("&sample=1" if given == "test image" else ""),
        )
        if given == "file":
            (tmp_path / HOSTILE).write_bytes(CAT.read_bytes())
            pick(page, {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": CAT.read_bytes()})
            expect(page.locator("#picture-facts")).to_contain_text(HOSTILE)
        expect(page.get_by_role("img", name=re.compile("Grad-CAM of cnn for dog"))).to_be_visible()
        expect(page.get_by_label("Version of mlp").locator("option:checked")).to_have_text(
            f"version {champion('mlp')}, champion"
        )
        assert page.locator("img[src=x]").count() == 0
        page.get_by_role("button", name="Copy as curl").click()
        curl = page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("button", name="Copy as Python").click()
        python = page.evaluate("navigator.clipboard.readText()")
        shown = [page.get_by_role("article", name=name).locator(".said").text_content() for name in ("mlp", "cnn")]

    printed = subprocess.run(["bash", "-c", curl], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    comparison = json.loads(printed)
    assert [each["label"] for each in comparison["predictions"]] == shown
    assert [each["version"] for each in comparison["predictions"]] == [champion("mlp"), champion("cnn")]
    by_curl = (tmp_path / "cnn-grad_cam.png").read_bytes()
    assert by_curl.startswith(b"\x89PNG")
    (tmp_path / "cnn-grad_cam.png").unlink()
    (tmp_path / "pasted.py").write_text(python, encoding="utf-8")
    command = [sys.executable, "-W", "error", "pasted.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in said.splitlines()] == shown
    assert (tmp_path / "cnn-grad_cam.png").read_bytes() == by_curl
    assert not (tmp_path / "mlp-grad_cam.png").exists()
    assert shlex.split(curl.splitlines()[0])[0] == "curl"


def test_latest_of_two_images_is_shown(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        slow: list[Route] = []
        page.route("**/compare*", lambda route: slow.append(route) if not slow else route.continue_())
        with page.expect_request("**/compare*") as first:
            pick(page)
        stream = io.BytesIO()
        Image.fromarray(noise(32, 32)).save(stream, "PNG")
        with page.expect_event("requestfailed") as given_up:
            pick(page, {"name": "noise.png", "mimeType": "image/png", "buffer": stream.getvalue()})
        assert given_up.value == first.value
        cnn = truth(site, stream.getvalue())["predictions"][1]
        answered(page, "cnn", cnn["label"])
        expect(page.get_by_role("article", name="cnn").locator(".sure")).to_have_text(percent(cnn["probability"]))


def test_late_map_does_not_replace_a_newer_one(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?method=smoothgrad")
        late: list[Route] = []
        page.route("**/saliency?model=cnn&*method=smoothgrad*", lambda route: late.append(route))
        with page.expect_request("**/saliency?model=cnn&*method=smoothgrad*"):
            pick(page)
        page.get_by_label("Occlusion", exact=True).check(force=True)
        expect(page.get_by_role("img", name="Occlusion of cnn for cat")).to_be_visible()
        with page.expect_response("**/saliency?model=cnn&*method=smoothgrad*") as answer:
            late[0].continue_()
        answer.value.finished()
        page.wait_for_timeout(100)
        expect(page.get_by_role("img", name="Occlusion of cnn for cat")).to_be_visible()


def test_late_test_image_does_not_replace_a_newer_one(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        late: list[Route] = []
        page.route("**/samples/*", lambda route: late.append(route))
        with page.expect_request("**/samples/*"):
            page.get_by_role("button", name="Random test image").click()
        pick(page)
        answered(page, "cnn", "cat")
        with page.expect_response("**/samples/*") as answer:
            late[0].continue_()
        answer.value.finished()
        page.wait_for_timeout(100)
        expect(page.locator("#picture-facts")).to_contain_text("cat.jpg")
        assert "sample" not in page.url


def test_predictions_stay_when_explanations_fail(browser: Browser, site: ServiceProcess) -> None:
    refusing = True
    problem = {"status": 429, "title": "The queue is full", "detail": "7 pictures are waiting", "type": "about:blank"}

    def refuse(route: Route) -> None:
        if refusing:
            route.fulfill(status=429, json=problem, content_type="application/problem+json")
        else:
            route.continue_()

    with visiting(browser, site.url) as visit:
        visit.expect("status of 429")
        visit.page.route("**/saliency?model=mlp", lambda route: refuse(route))  # by what it can be explained
        visit.page.route("**/view?model=cnn*", lambda route: refuse(route))
        page = opened(visit, "?method=saliency")
        pick(page)
        sights = page.get_by_role("figure")
        for family in ("mlp", "cnn"):
            alert = sights.filter(has_text=f"{family} input").get_by_role("alert")
            expect(alert).to_contain_text("7 pictures are waiting")
        answered(page, "cnn", "cat")
        expect(page.get_by_role("status")).to_contain_text("Inference ")
        refusing = False
        pick(page)
        expect(page.get_by_role("img", name="Input of cnn")).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("^Saliency of mlp"))).to_be_visible()
        expect(sights.get_by_role("alert")).to_have_count(0)


def test_latest_of_two_versions_is_explained(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit, "?method=saliency")
        late: list[Route] = []
        page.route(f"**/saliency?model=cnn&version={OLDER}", lambda route: late.append(route))
        with page.expect_request(f"**/saliency?model=cnn&version={OLDER}"):
            page.get_by_label("Version of cnn").select_option(OLDER)
        page.get_by_label("Version of cnn").select_option("")
        pick(page)
        drawn = page.get_by_role("img", name="Saliency of cnn for cat")
        expect(drawn).to_be_visible()
        with page.expect_response(f"**/saliency?model=cnn&version={OLDER}") as answer:
            late[0].continue_()
        answer.value.finished()
        page.wait_for_timeout(100)
        page.get_by_label("Input × gradient", exact=True).check(force=True)
        expect(page.get_by_role("img", name="Input × gradient of cnn for cat")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "dark"), (WIDE, "light")], ids=["narrow dark", "wide light"])
def test_playground_is_accessible_fits_and_does_not_shift(
    browser: Browser, site: ServiceProcess, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with visiting(browser, site.url, size=size, scheme=scheme) as visit:
        page = opened(visit, "?sample=2&method=occlusion")
        expect(page.get_by_role("img", name=re.compile("Occlusion of cnn"))).to_be_visible()
        assert layout_shift(page) < 0.1  # nobody has pressed anything: all of it counts
        pick(page)
        answered(page, "cnn", "cat")
        page.get_by_text("Show the commands").click()
        assert_accessible(page)
        assert_fits(page)


def test_keyboard_reaches_every_control(browser: Browser, site: ServiceProcess) -> None:
    with visiting(browser, site.url) as visit:
        page = opened(visit)
        pick(page)
        answered(page, "cnn", "cat")
        choose_part(page)
        reached = set()
        name = "() => document.activeElement.id || document.activeElement.name"
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(name))
        assert reached >= {"pick", "choose", "photograph", "surprise", "crop", "extent", "method", "example-0"}
        page.locator("#example-0").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.evaluate(name) == "example-2"
        assert reached >= {"copy-link", "copy-curl", "copy-python", "save-picture"}
