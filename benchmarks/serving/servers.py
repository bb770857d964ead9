"""Servers under test: how each is started, its path, and a check of its first answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from benchmarks.common.http import HOST, Answer, requests_for
from benchmarks.common.inputs import Images, Model
from benchmarks.common.machine import Cores
from benchmarks.common.report import BenchmarkError, SkippedError
from benchmarks.common.server import Server, free_port, start_duet, start_server
from core.repository.manifest import Precision

ServerName = Literal["duet", "naive", "mosec"]
Body = Literal["multipart", "raw"]
SERVERS: tuple[ServerName, ...] = get_args(ServerName)
BODIES: tuple[Body, ...] = get_args(Body)
BODIES_OF: Mapping[ServerName, tuple[Body, ...]] = MappingProxyType(
    {"duet": BODIES, "naive": ("multipart",), "mosec": ("raw",)}
)
_CHECKED_IMAGES = 16

Targets = dict[tuple[Precision, ServerName, Body], tuple[Server, list[bytes]]]
"""Running servers with checked answers, and the requests for them."""


@dataclass(frozen=True)
class Setup:
    """Inputs of all parts of a run."""

    model: Model
    images: Images
    cores: Cores
    folder: Path


@contextmanager
def start_targets(
    setup: Setup, names: Sequence[ServerName], precisions: Sequence[Precision], skip: Callable[[str], None]
) -> Iterator[Targets]:
    """Start the servers on the server core and check their answers; call `skip` with a line for each one left out.

    Raises BenchmarkError if a server does not start, or its answers are wrong.
    """
    targets: Targets = {}
    with ExitStack() as stack:
        for name in names:
            duet = stack.enter_context(start(name, "fp32", setup, setup.cores.server)) if name == "duet" else None
            for precision in precisions:
                try:
                    if not setup.model.has(precision):
                        raise SkippedError(f"{setup.model.manifest.reference} has no {precision} graph")
                    server = duet or stack.enter_context(start(name, precision, setup, setup.cores.server))
                    for body in BODIES_OF[name]:
                        path = predict_path(name, precision, setup.model.manifest.family)
                        requests = requests_for(body, path, setup.images.pngs)
                        check_answers(server, name, precision, requests, setup)
                        targets[precision, name, body] = server, requests
                except SkippedError as reason:
                    skip(f"{name} {precision}: {reason}")
        yield targets


@contextmanager
def start(name: ServerName, precision: Precision, setup: Setup, *cores: int, workers: int = 1) -> Iterator[Server]:
    """Start one server on `cores`; it may not be ready yet. Raises SkippedError if the server is not installed."""
    if name == "duet":
        with tempfile.TemporaryDirectory(prefix="home-", dir=setup.folder) as home:
            # Jobs are off; benchmarks.idle measures the cost of the broker and the worker.
            settings = {"DUET_EMBEDDED_BROKER": "0", "DUET_WORKERS": str(workers)}
            with start_duet(Path(home), settings, models=setup.model.models, cores=cores) as server:
                yield server
        return
    if name == "mosec" and find_spec("mosec") is None:
        raise SkippedError("Mosec is not installed: run `pip install -e '.[serve,benchmarks]'`")
    port = free_port()
    options = ["--address", HOST, "--log-level", "warning"] if name == "mosec" else []
    command = [f"benchmarks.serving.{name}_server", "--port", str(port), *options]
    environment = {
        "BENCHMARK_GRAPH": str(setup.model.graph(precision)),
        "BENCHMARK_LABELS": json.dumps(setup.model.manifest.class_names),
    }
    with start_server(name, command, environment, port=port, folder=setup.folder, cores=cores) as server:
        yield server


def predict_path(name: ServerName, precision: Precision, family: str) -> str:
    """Return the path of a prediction."""
    if name == "duet":
        return f"/predict?model={family}&precision={precision}"
    return "/inference" if name == "mosec" else "/predict"


def check_answers(
    server: Server, name: ServerName, precision: Precision, requests: Sequence[bytes], setup: Setup
) -> None:
    """Wait until the server answers, then compare its first labels with those of the graph itself.

    Raises:
        SkippedError: the server rejects the request, or runs another precision.
        BenchmarkError: the server does not start, or a label differs.
    """
    expected = setup.model.labels(precision, setup.images.images_NHWC[:_CHECKED_IMAGES])
    for request, label in zip(requests, expected, strict=False):
        answer = server.wait_for_answer(request)
        if not answer.ok:
            raise SkippedError(f"{name} does not serve {precision}: {answer.status} {answer.body[:200]!r}")
        answered, used = _label(name, answer)
        if used not in (None, precision):
            raise SkippedError(f"{name} answered with {used} instead of {precision}")
        if answered != label:
            raise BenchmarkError(
                f"{name} {precision} answers {answered!r} for an image that the graph labels {label!r}"
            )


def _label(name: ServerName, answer: Answer) -> tuple[str, str | None]:
    """Return the label, and the precision if the server names it."""
    content = json.loads(answer.body)
    if name == "duet":
        prediction = content["predictions"][0]
        return prediction["label"], prediction["precision"]
    return content["label"], None
