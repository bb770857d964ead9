"""Delivery of pages and assets: compression, caching, security headers."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import service.web
from service.web.assets import read_assets
from service.web.pages import PAGES, Page
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

STATIC = Path(service.web.__file__).parent / "static"
PATHS = [page.path for page in PAGES]


async def links(running: RunningApp, path: str) -> list[str]:
    """URLs of the assets of a page, without duplicates."""
    found = re.findall(r'(?:href|src)="(/ui/assets/[^"]+)"', (await running.client.get(path)).text)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", [*PATHS, "/docs"])
async def test_assets_of_a_page_exist_with_their_media_type(running: RunningApp, path: str) -> None:
    named = await links(running, path)
    assert named
    for link in named:
        answer = await running.client.get(link)
        assert answer.status_code == 200, link
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        expected = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "woff2": "font/woff2"}
        assert answer.headers["content-type"].startswith(expected[link.rpartition(".")[2]])


@pytest.mark.parametrize("path", [*PATHS, "/docs", "asset"])
async def test_pages_and_assets_have_security_headers(running: RunningApp, path: str) -> None:
    path = (await links(running, "/"))[0] if path == "asset" else path
    headers = (await running.client.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert ("require-trusted-types-for" in policy) == (path != "/docs")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", [*PATHS, "/docs"])
async def test_pages_have_no_inline_code_and_no_other_hosts(running: RunningApp, path: str) -> None:
    text = (await running.client.get(path)).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert not re.search(r"https?://", text)
    assert "${" not in text
    assert not re.search(r"\$\w", text)


async def test_cached_page_gives_304(running: RunningApp) -> None:
    first = await running.client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await running.client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await running.client.get("/", headers={"if-none-match": '"other"'})).status_code == 200


async def test_assets_are_compressed_if_accepted(running: RunningApp) -> None:
    [script] = [link for link in await links(running, "/") if link.endswith("playground.js")]
    on_disk = (STATIC / "js" / "playground.js").read_bytes()
    compressed = await running.client.get(script, headers={"accept-encoding": "br, gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert int(compressed.headers["content-length"]) == len(gzip.compress(on_disk, 9, mtime=0)) < len(on_disk)
    assert compressed.content == on_disk
    for refusing in ("identity", "gzip;q=0", ""):
        plain = await running.client.get(script, headers={"accept-encoding": refusing})
        assert "content-encoding" not in plain.headers
        assert plain.content == on_disk
        assert plain.headers["vary"] == "Accept-Encoding"
    [font] = [link for link in await links(running, "/") if link.endswith(".woff2")]
    assert "content-encoding" not in (await running.client.get(font, headers={"accept-encoding": "gzip"})).headers


async def test_asset_under_another_digest_is_not_cached(running: RunningApp) -> None:
    answer = await running.client.get("/ui/assets/000000000000/js/api.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.content == (STATIC / "js" / "api.js").read_bytes()


@pytest.mark.parametrize(
    "path", ["/ui/assets/0/js/none.js", "/ui/assets/0/../pages.py", "/ui/assets/0/%2e%2e/pages.py", "/ui/none",
             "/ui/assets/0/vendor/uplot/LICENSE"]
)  # fmt: skip
async def test_other_files_are_not_served(running: RunningApp, path: str) -> None:
    assert_problem(await running.client.get(path), 404, "not-found")


async def test_head_request_has_no_body(running: RunningApp) -> None:
    answer = await running.client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_pages_are_not_in_openapi(running: RunningApp) -> None:
    paths = (await running.client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith(("/ui", "/docs"))]
    assert "/" not in paths


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_imported_modules_are_preloaded(running: RunningApp, page: Page) -> None:
    text = (await running.client.get(page.path)).text
    preloaded = set(re.findall(r'rel="modulepreload" href="/ui/assets/\w+/([^"]+)"', text))
    assert {"js/shell.js", f"js/{page.name}.js"} <= preloaded
    for name in preloaded:
        source = (STATIC / name).read_text(encoding="utf-8")
        for imported in re.findall(r'^import [^"]*"([^"]+)";$', source, re.MULTILINE):
            assert (STATIC / name).parent.joinpath(imported).resolve().relative_to(STATIC).as_posix() in preloaded


def test_digest_depends_on_every_file(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("1")
    first = read_assets(tmp_path).digest
    (tmp_path / "LICENSE").write_text("not served")
    assert read_assets(tmp_path).digest == first
    (tmp_path / "js" / "a.js").write_text("2")
    second = read_assets(tmp_path).digest
    (tmp_path / "js" / "a.js").rename(tmp_path / "js" / "b.js")
    assert len({first, second, read_assets(tmp_path).digest}) == 3


def test_vendored_libraries_have_licenses() -> None:
    for folder in (STATIC / "vendor").iterdir():
        assert (folder / "LICENSE").is_file(), folder
    assert (STATIC / "fonts" / "LICENSE").is_file()


def test_scripts_create_no_markup_from_strings() -> None:
    for path in (STATIC / "js").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
