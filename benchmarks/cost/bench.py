"""Cost benchmark: CPU time and peak memory of one API process for the most expensive requests that need no key."""

from __future__ import annotations

import gzip
import io
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import psutil
import typer
from PIL import Image

from benchmarks.common import report as reports
from benchmarks.common.inputs import draw_images
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import (
    BenchmarkError,
    Figures,
    Goal,
    TextTable,
    append,
    check_goals,
    figure_tables,
    summary,
)
from benchmarks.common.server import READY_REQUEST, Server, cpu_seconds, start_duet
from benchmarks.cost.fairness import measure_fairness
from core.files.home import shipped_models
from core.images.tta_views import VIEW_WEIGHTS
from service.api.common.image_queries import MAX_STEPS
from service.api.deps import MAX_EVALUATIONS
from service.engine.decoder_child import IDLE_SECONDS
from tests.hostile.image_files import FILES, saved, webp_of_many_codes
from tests.hostile.unusual_files import UNUSUAL

CPU, MEMORY = "CPU, s", "memory above idle, MB"
GOALS = (
    Goal("most expensive request: CPU, s", "<=", 1.0),
    Goal("most expensive request: memory above idle, MB", "<=", 150.0),
    Goal("memory a minute after all requests, times that of a fresh process", "<=", 1.5),
    Goal("p99 beside other clients, times alone", "<=", 3.0),
)
CLIENTS = 20
LARGE = ("png rgba", "webp largest", "jpeg allowed scans", "tiff rgba")
"""Files of the corpus that those clients send."""
_TIMEOUT_SECONDS = 120.0
_RETURN_SECONDS = 20.0
"""Time for the service to return freed memory, after its idle parts have closed."""
_RAW = {"Content-Type": "application/octet-stream"}


class Case(NamedTuple):
    """A request, and words for the table."""

    what: str
    method: str
    path: str
    arguments: dict[str, Any]


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Times that each request is sent.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a measurement of latency.")] = 15,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure the most expensive anonymous requests; exit with code 1 if one exceeds its goal."""
    console = reports.progress_console()
    samples: dict[str, Figures] = {}
    rows: list[tuple[str, ...]] = []
    with serving() as server, httpx.Client(base_url=server.url, timeout=_TIMEOUT_SECONDS) as client:
        fresh = server.process.memory_info().rss
        for case in [*image_cases(), *tensor_cases(), *explanation_cases(), *page_cases()]:
            console.print(case.method, case.path, case.what)
            figures: Figures = {}
            for _ in range(rounds):
                status, found = measure(server.process, client, case)
                append(figures, found)
            server.require_alive()
            samples[f"{case.method} {case.path}: {case.what}"] = figures
            route = f"{case.method} {case.path.partition('?')[0]}"
            rows.append((route, case.what, str(status), *map(summary, figures.values())))
        console.print("memory without requests")
        time.sleep(IDLE_SECONDS + _RETURN_SECONDS)
        after = sum(process.memory_info().rss for process in family(server.process))
        console.print(CLIENTS, "clients with large images")
        large = [case.arguments["content"] for case in image_cases() if case.what in LARGE]
        fairness = measure_fairness(server, large, clients=CLIENTS, seconds=seconds)
    table = TextTable("Requests without a key", ("route", "request", ">status", f">{CPU}", f">{MEMORY}"), tuple(rows))
    most_expensive: Figures = {
        f"most expensive request: {name}": [max(statistics.median(figures[name]) for figures in samples.values())]
        for name in (CPU, MEMORY)
    } | {"memory a minute after all requests, times that of a fresh process": [after / fresh]}
    figures_of_all = most_expensive | fairness
    verdicts = check_goals(GOALS, figures_of_all)
    head = f"{describe_machine()} Medians of {rounds} requests, with the lowest and the highest."
    tables = [table, *figure_tables("Other clients", figures_of_all, GOALS)]
    reports.report(head, tables, samples | {"all": figures_of_all}, out=out, markdown=markdown)
    if not all(verdict.met for verdict in verdicts):
        raise typer.Exit(1)


@contextmanager
def serving() -> Iterator[Server]:
    """Start one API process with the shipped models."""
    with tempfile.TemporaryDirectory(prefix="duet-cost-") as folder:
        home = Path(folder) / "home"
        with start_duet(home, {"DUET_EMBEDDED_WORKER": "0"}, models=shipped_models()) as server:
            server.wait_for_answer(READY_REQUEST)
            yield server


def family(service: psutil.Process) -> list[psutil.Process]:
    """The API process and its decoder processes."""
    return [service, *(child for child in service.children() if _decodes(child))]


def _decodes(child: psutil.Process) -> bool:
    """Whether a child is a running decoder; one that has just ended is not."""
    try:
        return "service.engine.decoder_child" in child.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def measure(service: psutil.Process, client: httpx.Client, case: Case) -> tuple[int, dict[str, float]]:
    """Send a request; return its status, and the CPU seconds and the additional peak memory of all processes."""
    before = family(service)
    for process in before:
        (Path("/proc") / str(process.pid) / "clear_refs").write_text("5", encoding="ascii")  # resets the peak
    resident, cpu = sum(_resident_mb(process, "VmRSS") for process in before), cpu_seconds(before)
    answer = client.request(case.method, case.path, **case.arguments)
    after = family(service)
    peak = sum(_resident_mb(process, "VmHWM") for process in after)
    return answer.status_code, {CPU: cpu_seconds(after) - cpu, MEMORY: peak - resident}


def _resident_mb(process: psutil.Process, name: str) -> float:
    proc = Path("/proc") / str(process.pid)
    for line in (proc / "status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchmarkError(f"{proc}/status has no {name}: this benchmark needs Linux")


def image_cases() -> list[Case]:
    """Single files of the hostile corpus, and forms of many images."""
    cases = [
        Case(file.name.replace("_", " "), "POST", "/predict", {"content": file.build(), "headers": _RAW})
        for file in [*FILES, *UNUSUAL]
    ]
    [rgba] = [case.arguments["content"] for case in cases if case.what == "png rgba"]
    small = draw_images(64, height=32, width=32).pngs
    webp = saved(Image.new("RGB", (3_000, 3_000)), "WEBP", lossless=True, quality=0, method=0)
    images = MAX_EVALUATIONS // len(VIEW_WEIGHTS)
    return [
        *cases,
        Case("lossless WebP with many codes", "POST", "/predict", {"content": webp_of_many_codes(), "headers": _RAW}),
        Case(f"{images} small images, averaged views", "POST", "/predict?tta=true", _form(small[:images])),
        Case("64 small images, averaged views", "POST", "/predict?tta=true", _form(small)),
        Case("2 RGBA images of 25 megapixels", "POST", "/predict", _form([rgba] * 2)),
        Case("64 WebP images of 9 megapixels", "POST", "/predict", _form([webp] * 64)),
        Case("RGBA image of 25 megapixels", "POST", "/compare", {"content": rgba, "headers": _RAW}),
    ]


def tensor_cases() -> list[Case]:
    """Inference requests of the Open Inference Protocol."""
    path, count = "/v2/models/cnn/infer", 64
    shape = f'"name": "images", "datatype": "UINT8", "shape": [{count}, 32, 32, 3]'
    values = b",".join([b"255"] * count * 32 * 32 * 3)
    json = b'{"inputs": [{%s, "data": [%s]}]}' % (shape.encode(), values)
    many = b'{"inputs": [{%s, "data": [%s]}]}' % (shape.encode(), b",".join([b"{}"] * 3_000_000))
    gzipped = {"Content-Encoding": "gzip"}
    return [
        Case("JSON of 64 images", "POST", path, {"content": json}),
        Case("gzip of 9 MB of JSON objects", "POST", path, {"content": gzip.compress(many), "headers": gzipped}),
        Case(
            "gzip of 2 MB of JSON objects",
            "POST",
            path,
            {"content": gzip.compress(b'{"inputs": [%s]}' % b",".join([b"{}"] * 600_000)), "headers": gzipped},
        ),
    ]


def explanation_cases() -> list[Case]:
    """Explanations with the largest parameters that are allowed."""
    image = {"content": draw_images(1, height=32, width=32).pngs[0], "headers": _RAW}
    largest = {
        "integrated_gradients": f"steps={MAX_STEPS}",
        "smoothgrad": f"samples={MAX_STEPS}",
        "occlusion": "window=6&stride=2",
    }
    # Close to MAX_EVALUATIONS.
    methods = "saliency,smoothgrad,integrated_gradients,occlusion"
    two = "models=cnn@3,cnn@4&steps=8&samples=8&window=8&stride=4&saliency=" + methods
    return [
        *(
            Case(f"{method}, {parameters}", "POST", f"/saliency?model=cnn&method={method}&{parameters}", image)
            for method, parameters in largest.items()
        ),
        Case("four methods", "POST", f"/saliency?model=cnn&steps=22&method={methods}", image),
        Case("four methods of two models", "POST", f"/compare?{two}", image),
        Case("occlusion of two models", "POST", "/compare?models=cnn@3,cnn@4&saliency=occlusion", image),
    ]


def page_cases() -> list[Case]:
    """Answers that are made of files, records or the schema."""
    archive = io.BytesIO(bytes(10_000_000))
    paths = ("/metrics", "/metrics/compare", "/models", "/openapi.json", "/docs", "/", "/readyz")
    return [
        *(Case("GET", "GET", path, {}) for path in paths),
        Case("10 MB without a key", "PUT", "/datasets/cost", {"content": archive.getvalue()}),
        Case("job without a key", "POST", "/train", {"json": {"recipe": "cnn_fast"}}),
    ]


def _form(images: Sequence[bytes]) -> dict[str, Any]:
    return {"files": [("file", (f"{number}.img", content)) for number, content in enumerate(images)]}
