"""/datasets: upload, list and removal of labeled images."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import threading
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image

from core.images.folder_layouts import Part
from core.images.labelled_folders import read_folder
from core.schemas.datasets import DatasetDetail, DatasetList, DatasetUpload
from service.datasets.quota import Owner
from service.datasets.staging import UPLOADS_NAME, Staging
from service.settings import MIB
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

KEY = {"x-api-key": "j" * 16}
ZIP = {"content-type": "application/zip", **KEY}


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningApp]:
    monkeypatch.setattr("service.app.MAX_UPLOADS", 1)
    monkeypatch.setattr("service.datasets.files.MAX_UPLOAD_BYTES", 300_000)
    monkeypatch.setattr("service.datasets.files.MAX_DATASET_BYTES", 400_000)
    settings = settings_for(
        tmp_path,
        api_keys=f"jobs:{KEY['x-api-key']}",
        max_body_bytes=50_000,
        max_pixels=20_000,
        max_dataset_images=30,
    )
    async with running_app(settings, ready=False) as app:
        yield app


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def encoded(pixels_HWC: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels_HWC).save(stream, "PNG")
    return stream.getvalue()


class DiskUsage(NamedTuple):
    """Result of `shutil.disk_usage`."""

    free: int


def pictures(**counts: int) -> dict[str, bytes]:
    return {
        f"{label}/{number}.png": picture(label, number) for label, count in counts.items() for number in range(count)
    }


def uploaded(answer: httpx.Response) -> DatasetUpload:
    assert answer.status_code == 200, answer.text
    return DatasetUpload.model_validate_json(answer.content)


def detail(answer: httpx.Response) -> DatasetDetail:
    assert answer.status_code == 200, answer.text
    return DatasetDetail.model_validate_json(answer.content)


def counts(found: DatasetDetail) -> dict[str, int]:
    return {entry.label: entry.images for entry in found.classes}


async def names(running: RunningApp) -> list[str]:
    answer = await running.client.get("/datasets")
    return [entry.name for entry in DatasetList.model_validate_json(answer.content).datasets]


def nothing_is_left(home: Path) -> bool:
    """Return whether the folder of uploads is empty."""
    uploads = home / "datasets" / UPLOADS_NAME
    return not uploads.exists() or not list(uploads.iterdir())


async def until_nothing_is_left(home: Path) -> None:
    while not nothing_is_left(home):  # noqa: ASYNC110  what is waited for happens in a thread
        await asyncio.sleep(0.005)


async def test_upload_zip_creates_a_dataset(running: RunningApp, tmp_path: Path) -> None:
    files = pictures(grass=5, night=4) | {"grass/notes.txt": b"no image", "night/cut.png": picture("night", 9)[:200]}
    answer = uploaded(await running.client.post("/datasets/colours", content=zipped(files), headers=ZIP))
    assert (answer.added, answer.duplicates, answer.skipped) == (9, 0, 2)
    assert {file.file for file in answer.skipped_files} == {"grass/notes.txt", "night/cut.png"}
    assert counts(answer.dataset) == {"grass": 5, "night": 4}
    assert answer.dataset.shortfalls == ()
    stored = read_folder(tmp_path, "colours")
    assert sorted(file.path.read_bytes() for file in stored.files["grass"]) == sorted(
        content for name, content in files.items() if name.startswith("grass/") and name.endswith(".png")
    )
    assert detail(await running.client.get("/datasets/colours")) == answer.dataset
    [listed] = DatasetList.model_validate_json((await running.client.get("/datasets")).content).datasets
    assert (listed.data, listed.classes, listed.images, listed.trainable) == ("folder:colours", 2, 9, True)
    await until_nothing_is_left(tmp_path)


async def test_upload_adds_new_images_and_skips_duplicates(running: RunningApp) -> None:
    url = "/datasets/colours"
    first = uploaded(await running.client.post(url, content=zipped(pictures(grass=5)), headers=ZIP))
    assert first.dataset.shortfalls == ("it has 1 class and needs at least 2",)
    second = uploaded(await running.client.post(url, content=zipped(pictures(grass=6, night=1)), headers=ZIP))
    assert (second.added, second.duplicates) == (2, 5)
    assert counts(second.dataset) == {"grass": 6, "night": 1}
    assert second.dataset.shortfalls == ("class 'night' has 1 image and needs at least 2",)
    assert second.dataset.digest != first.dataset.digest
    again = uploaded(await running.client.post(url, content=zipped(pictures(grass=6)), headers=ZIP))
    assert (again.added, again.duplicates, again.dataset) == (0, 6, second.dataset)
    mislabelled = {"night/x.png": picture("grass", 0), "night/new.png": picture("night", 7)}
    last = uploaded(await running.client.post(url, content=zipped(mislabelled), headers=ZIP))
    assert (last.added, last.skipped_files[0].reason) == (1, "the data set already has this image, as class 'grass'")


async def test_upload_single_image_uses_the_label(running: RunningApp) -> None:
    raw = await running.client.post(
        "/datasets/colours",
        params={"label": "brick red"},
        content=picture("brick red", 0),
        headers={"content-type": "image/png", **KEY},
    )
    assert counts(uploaded(raw).dataset) == {"brick red": 1}
    files: list[Any] = [("file", (f"{n}.png", picture("brick red", n), "image/png")) for n in range(3)]
    files += [("file", ("large.bmp", b"BM" + bytes(50_001))), ("file", ("empty.png", b""))]
    form = uploaded(
        await running.client.post("/datasets/colours", params={"label": "brick red"}, files=files, headers=KEY)
    )
    assert (form.added, form.duplicates, form.skipped) == (2, 1, 2)
    assert [file.reason for file in form.skipped_files] == [
        "larger than 50,000 bytes",
        "the image is empty (0 bytes): send a PNG, JPEG, WebP, GIF, BMP or TIFF file",
    ]
    assert counts(form.dataset) == {"brick red": 3}


async def test_upload_zip_in_a_form(running: RunningApp) -> None:
    files = {"file": ("colours.zip", zipped(pictures(night=2)), "application/zip")}
    assert counts(uploaded(await running.client.post("/datasets/c", files=files, headers=KEY)).dataset) == {"night": 2}


async def test_dataset_changes_need_a_key(running: RunningApp) -> None:
    for method in ("POST", "DELETE"):
        assert_problem(await running.client.request(method, "/datasets/colours"), 401, "key-required")
    wrong = {"x-api-key": "w" * 16}
    refused = await running.client.post("/datasets/c", content=zipped(pictures(night=2)), headers=ZIP | wrong)
    assert_problem(refused, 401, "key-refused")
    assert (await running.client.get("/datasets")).json() == {"datasets": []}


@pytest.mark.parametrize(
    ("name", "params", "content", "content_type", "status", "slug", "words"),
    [
        ("Bad", {}, b"", "application/zip", 422, "invalid-parameters", "name"),
        ("..", {}, b"", "application/zip", 405, "method-not-allowed", ""),
        ("cifar10", {}, b"", "application/zip", 422, "invalid-parameters", "built-in"),
        ("c", {"label": "../x"}, b"x", "image/png", 422, "invalid-parameters", "slashes"),
        ("c", {"label": ".x"}, b"x", "image/png", 422, "invalid-parameters", "dot"),
        ("c", {"label": "x"}, b"x", "application/zip", 422, "invalid-parameters", "omit it"),
        ("c", {}, picture("night", 0), "image/png", 422, "invalid-parameters", "required with an image"),
        ("c", {}, b"x", "application/octet-stream", 422, "invalid-parameters", "unless the body is a zip"),
        ("c", {}, b"PK\x03\x04x", "application/zip", 422, "unreadable-archive", "zip"),
        ("c", {}, zipped({"../x/1.png": b"x"}), "application/zip", 422, "unsafe-archive", "leads out"),
        ("c", {}, zipped({"x/1.png": b"x"}), "application/zip", 422, "no-usable-image", "x/1.png"),
        ("c", {}, zipped({}), "application/zip", 422, "no-usable-image", "class folder"),
        ("c", {"label": "x"}, b"nothing", "image/png", 422, "no-usable-image", "not an image"),
        ("c", {}, b"{}", "application/json", 415, "dataset-media-type", "application/zip"),
        ("c", {}, bytes(300_001), "application/zip", 413, "body-too-large", "300000"),
        ("c", {"label": "x"}, b"--b\r\nrubbish", "multipart/form-data; boundary=b", 400, "malformed-body", "multipart"),
        ("c", {"label": "x"}, b"x", "multipart/form-data", 400, "malformed-body", "boundary"),
    ],
)
async def test_invalid_upload_is_refused_and_leaves_nothing(
    running: RunningApp,
    tmp_path: Path,
    name: str,
    params: dict[str, str],
    content: bytes,
    content_type: str,
    status: int,
    slug: str,
    words: str,
) -> None:
    headers = {"content-type": content_type, **KEY}
    answer = await running.client.post(f"/datasets/{name}", params=params, content=content, headers=headers)
    assert_problem(answer, status, slug)
    assert words in answer.json()["detail"]
    assert await names(running) == []
    await until_nothing_is_left(tmp_path)


async def test_form_with_wrong_field_or_two_zips_is_refused(running: RunningApp) -> None:
    png = ("a.png", picture("night", 0), "image/png")
    answer = await running.client.post("/datasets/c", params={"label": "x"}, files={"image": png}, headers=KEY)
    assert_problem(answer, 422, "wrong-field")
    two: list[Any] = [("file", ("a.zip", zipped(pictures(night=1))))] * 2
    assert_problem(await running.client.post("/datasets/c", files=two, headers=KEY), 422, "too-many-files")
    assert await names(running) == []


async def test_upload_beyond_the_image_limit_is_refused(running: RunningApp) -> None:
    url = "/datasets/colours"
    uploaded(await running.client.post(url, content=zipped(pictures(grass=20)), headers=ZIP))
    answer = await running.client.post(url, content=zipped(pictures(night=11)), headers=ZIP)
    assert_problem(answer, 413, "dataset-too-large")
    assert answer.json()["limit"] == 30
    assert counts(detail(await running.client.get(url))) == {"grass": 20}


async def test_endless_upload_is_cut_off(running: RunningApp, tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(50_000)

    assert_problem(await running.client.post("/datasets/c", content=endless(), headers=ZIP), 413, "body-too-large")
    await until_nothing_is_left(tmp_path)


async def test_concurrent_uploads_are_limited(running: RunningApp, tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    content = zipped(pictures(night=2))

    async def slow() -> AsyncIterator[bytes]:
        yield content[:100]
        begun.set()
        await go_on.wait()
        yield content[100:]

    first = asyncio.create_task(running.client.post("/datasets/c", content=slow(), headers=ZIP))
    await begun.wait()
    second = await running.client.post("/datasets/d", content=content, headers=ZIP)
    assert_problem(second, 429, "too-many-uploads")
    assert second.headers["retry-after"]
    assert await names(running) == []
    go_on.set()
    assert uploaded(await first).added == 2
    assert uploaded(await running.client.post("/datasets/d", content=content, headers=ZIP)).added == 2


async def test_upload_on_a_full_disk_leaves_nothing(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Staging, "write", full)
    answer = await running.client.post("/datasets/c", content=zipped(pictures(night=2)), headers=ZIP)
    assert_problem(answer, 507, "storage-full")
    assert await names(running) == []
    await until_nothing_is_left(tmp_path)


async def test_upload_reserves_the_disk_space_of_jobs(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = running.state["settings"].job_free_mib * MIB
    content = zipped(pictures(night=2))
    monkeypatch.setattr("service.datasets.staging.shutil.disk_usage", lambda _: DiskUsage(free + len(content) - 1))
    answer = await running.client.post("/datasets/c", content=content, headers=ZIP)
    assert "DUET_JOB_FREE_MIB" in assert_problem(answer, 507, "storage-full")["detail"]
    await until_nothing_is_left(tmp_path)


async def test_limit_of_all_data_sets_together_is_named(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, api_keys=f"jobs:{KEY['x-api-key']}", max_datasets_bytes=100_000)
    noise = np.random.default_rng(0).integers(0, 256, (6, 100, 100, 3), dtype=np.uint8)
    files = {f"noise/{number}.png": encoded(image_HWC) for number, image_HWC in enumerate(noise)}  # 30 kB each
    async with running_app(settings, ready=False) as app:
        first = await app.client.post("/datasets/a", content=zipped(dict(list(files.items())[:3])), headers=ZIP)
        assert uploaded(first).added == 3
        second = await app.client.post("/datasets/b", content=zipped(dict(list(files.items())[3:])), headers=ZIP)
        problem = assert_problem(second, 413, "dataset-too-large")
        assert "DUET_MAX_DATASETS_BYTES" in problem["detail"]
        assert problem["limit"] == 100_000
        assert await names(app) == ["a"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
async def test_read_only_home_problem_gives_advice(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write_labelled_folder(tmp_path, "c", {"night": 4})

    def read_only(*_: object, **__: object) -> None:
        raise OSError(code, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    uploading = await running.client.post("/datasets/c", content=zipped(pictures(night=2)), headers=ZIP)
    assert "mount it writable" in assert_problem(uploading, 503, "home-not-writable")["detail"]
    assert str(tmp_path) not in uploading.text
    assert (await running.client.delete("/datasets/c", headers=KEY)).status_code == 503
    assert (tmp_path / "datasets" / "c" / "night").is_dir()


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
async def test_failed_deletion_keeps_the_dataset(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write_labelled_folder(tmp_path, "c", {"night": 4})

    def read_only(*_: object, **__: object) -> None:
        raise OSError(code, "Read-only file system")

    monkeypatch.setattr(Path, "rename", read_only)
    deleting = await running.client.delete("/datasets/c", headers=KEY)
    assert_problem(deleting, 503, "home-not-writable")
    assert str(tmp_path) not in deleting.text
    assert len(list((tmp_path / "datasets" / "c" / "night").iterdir())) == 4


async def test_upload_with_too_many_pixels_per_byte_is_rejected(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.datasets.files.MIN_UPLOAD_PIXELS", 1_000)
    monkeypatch.setattr("service.datasets.files.PIXELS_PER_BYTE", 1)
    files = {f"flat/{number}.png": encoded(np.full((50, 100, 3), number, np.uint8)) for number in range(6)}
    content = zipped(files)
    answer = await running.client.post("/datasets/c", content=content, headers=ZIP)
    problem = assert_problem(answer, 413, "too-much-work")
    assert problem["limit_pixels"] == 1_000 + len(content)
    assert await names(running) == []


async def test_decoding_stops_at_its_deadline(running: RunningApp, tmp_path: Path) -> None:
    uploader = running.state["uploader"]
    uploader._limits = replace(uploader._limits, decoding_seconds=-1.0)
    answer = await running.client.post("/datasets/c", content=zipped(pictures(night=2)), headers=ZIP)
    assert "send fewer at a time" in assert_problem(answer, 504, "deadline-exceeded")["detail"]
    await until_nothing_is_left(tmp_path)


async def test_zip_entry_without_a_name_is_rejected(running: RunningApp) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("\0"), b"image")
    answer = await running.client.post("/datasets/c", content=stream.getvalue(), headers=ZIP)
    assert_problem(answer, 422, "unreadable-archive")


async def test_incomplete_upload_is_invisible(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, go_on = threading.Event(), threading.Event()
    write = Staging.write

    def slowly(self: Staging, label: str, name: str, content: bytes, *, part: Part | None) -> None:
        write(self, label, name, content, part=part)
        written.set()
        go_on.wait(30)

    monkeypatch.setattr(Staging, "write", slowly)
    upload = asyncio.create_task(running.client.post("/datasets/c", content=zipped(pictures(night=3)), headers=ZIP))
    await asyncio.to_thread(written.wait, 30)
    seen = await names(running)
    answer = await running.client.get("/datasets/c")
    go_on.set()
    assert uploaded(await upload).added == 3
    assert seen == []
    assert_problem(answer, 404, "unknown-dataset")


async def test_image_over_the_pixel_limit_is_skipped(running: RunningApp) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((200, 101, 3), np.uint8)).save(stream, "PNG")
    files = {"night/large.png": stream.getvalue(), **pictures(night=1)}
    answer = uploaded(await running.client.post("/datasets/c", content=zipped(files), headers=ZIP))
    assert (answer.added, [file.file for file in answer.skipped_files]) == (1, ["night/large.png"])


async def test_delete_removes_the_dataset(running: RunningApp, tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colours", {"night": 2, "grass": 1})
    write_labelled_folder(tmp_path, "others", {"night": 1})
    removed = detail(await running.client.delete("/datasets/colours", headers=KEY))
    assert counts(removed) == {"grass": 1, "night": 2}
    assert not (tmp_path / "datasets" / "colours").exists()
    assert await names(running) == ["others"]
    answer = await running.client.delete("/datasets/colours", headers=KEY)
    assert_problem(answer, 404, "unknown-dataset")
    assert answer.json()["available"] == ["others"]
    assert_problem(await running.client.delete("/datasets/cifar10", headers=KEY), 422, "invalid-parameters")
    assert nothing_is_left(tmp_path)


async def test_abandoned_upload_is_removed_by_the_next(running: RunningApp, tmp_path: Path) -> None:
    abandoned = tmp_path / "datasets" / UPLOADS_NAME / "0123"
    (abandoned / "images" / "night").mkdir(parents=True)
    under_way = Staging(tmp_path, Owner("a", None))
    assert not abandoned.exists()
    uploaded(await running.client.post("/datasets/c", content=zipped(pictures(night=1)), headers=ZIP))
    assert under_way.folder.exists()
    under_way.close()
    await until_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "application/octet-stream"),
        ("?label=cat", "application/octet-stream"),
        ("", "application/gzip"),
        ("?label=cat", "application/gzip"),
        ("", "multipart/form-data"),
    ],
)
async def test_tar_gz_is_rejected_with_one_advice(running: RunningApp, query: str, kind: str) -> None:
    body, headers = gzip.compress(b"cat/1.png"), {"content-type": kind, **KEY}
    if kind == "multipart/form-data":
        answer = await running.client.post("/datasets/pets", files={"file": body}, headers=KEY)
    else:
        answer = await running.client.post(f"/datasets/pets{query}", content=body, headers=headers)
    problem = assert_problem(answer, 415, "dataset-media-type")
    assert "'application/gzip' is not supported: send a zip of class folders" in problem["detail"]


async def test_compressed_upload_is_rejected_by_name(running: RunningApp) -> None:
    body = gzip.compress(zipped(pictures(grass=1)))
    answer = await running.client.post("/datasets/pets", content=body, headers={**ZIP, "content-encoding": "gzip"})
    assert_problem(answer, 415, "unsupported-encoding")
    assert await names(running) == []


async def test_decomposed_label_joins_the_composed_class(running: RunningApp) -> None:
    for number, label in enumerate(("Gr\u00fcn", "Gru\u0308n")):
        await running.client.post(
            "/datasets/colours",
            params={"label": label},
            content=picture("grass", number),
            headers={"content-type": "image/png", **KEY},
        )
    assert counts(detail(await running.client.get("/datasets/colours"))) == {"Gr\u00fcn": 2}


async def test_non_utf8_file_name_is_escaped(running: RunningApp) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
    body = part % (b"caf\xe9.png", picture("grass", 1)) + part % (b"caf\xe9.txt", b"text") + b"--x--\r\n"
    answer = uploaded(
        await running.client.post(
            "/datasets/colours",
            params={"label": "grass"},
            content=body,
            headers={"content-type": "multipart/form-data; boundary=x", **KEY},
        )
    )
    assert answer.added == 1
    assert [file.file for file in answer.skipped_files] == ["caf\\xe9.txt"]


async def test_zip_of_parts_keeps_them_and_grows(running: RunningApp, tmp_path: Path) -> None:
    def files(first: int) -> dict[str, bytes]:
        return {
            f"{part}/{label}/{number}.png": picture(label, first + number + shift)
            for part, shift in (("train", 0), ("val", 10), ("test", 20))
            for label in ("night", "grass")
            for number in range(2)
        }

    uploaded(await running.client.post("/datasets/c", content=zipped(files(0)), headers=ZIP))
    answer = uploaded(await running.client.post("/datasets/c", content=zipped(files(100)), headers=ZIP))
    assert (answer.added, counts(answer.dataset)) == (12, {"grass": 12, "night": 12})
    listed = read_folder(tmp_path, "c")
    assert Counter(file.part for files in listed.files.values() for file in files) == {
        "train": 8, "validation": 8, "test": 8,
    }  # fmt: skip


async def test_upload_of_another_layout_adds_nothing(running: RunningApp, tmp_path: Path) -> None:
    parts = {f"{part}/night/1.png": picture("night", number) for number, part in enumerate(("train", "test"))}
    uploaded(await running.client.post("/datasets/c", content=zipped(parts), headers=ZIP))
    answer = await running.client.post("/datasets/c", content=zipped(pictures(grass=1)), headers=ZIP)
    assert_problem(answer, 409, "dataset-layout")
    assert counts(detail(await running.client.get("/datasets/c"))) == {"night": 2}
    write_labelled_folder(tmp_path, "table", {"night": 1})
    (tmp_path / "datasets" / "table" / "labels.csv").write_text("path,label\nnight/0000,night\n")
    answer = await running.client.post("/datasets/table", content=zipped(pictures(grass=1)), headers=ZIP)
    assert_problem(answer, 409, "dataset-layout")
    await until_nothing_is_left(tmp_path)
