"""The servers under test: how each is started, where it takes pictures, and what it calls one.

| target | bodies | processes |
|---|---|---|
| duet | multipart and raw | one, which serves every precision |
| naive | multipart | one for each precision |
| mosec | raw | one for each precision |
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from benchmarks.serving.ask import settled_answer
from benchmarks.serving.errors import BenchmarkError, LeftOutError
from benchmarks.serving.messages import Answer, requests_for
from benchmarks.serving.model import Model
from benchmarks.serving.pictures import Pictures
from benchmarks.serving.processes import ServerProcess, free_port, server_process
from benchmarks.serving.results import BODIES, Body, TargetName
from core.repository.manifest import Precision

BODIES_OF: Mapping[TargetName, tuple[Body, ...]] = MappingProxyType(
    {"duet": BODIES, "naive": ("multipart",), "mosec": ("raw",)}
)
START_SECONDS = 60.0
_CHECKED = 16


class Targets:
    """Starts servers when they are first needed, checks their answers, and keeps them until `close`."""

    def __init__(self, model: Model, pictures: Pictures, *, core: int, folder: Path) -> None:
        self._model = model
        self._pictures = pictures
        self._core = core
        self._folder = folder
        self._running: dict[tuple[TargetName, Precision | None], ServerProcess] = {}
        self._checked: dict[tuple[TargetName, Body, Precision], list[bytes]] = {}
        self._stack = ExitStack()

    def close(self) -> None:
        """Stop every server."""
        self._stack.close()

    def serving(self, target: TargetName, body: Body, precision: Precision) -> tuple[ServerProcess, list[bytes]]:
        """A checked server and the requests to send it.

        Raises:
            LeftOutError: it is not installed, or does not serve this.
            BenchmarkError: it does not start, or its answers are wrong.
        """
        if not self._model.has(precision):
            raise LeftOutError(f"{self._model.manifest.reference} has no {precision} graph")
        key = (target, None if target == "duet" else precision)
        if key not in self._running:
            started = start_target(target, precision, self._model, cores={self._core}, folder=self._folder)
            self._running[key] = self._stack.enter_context(started)
        server = self._running[key]
        if (target, body, precision) not in self._checked:
            requests = requests_for(body, path_of(target, precision, self._model.manifest.family), self._pictures.pngs)
            check_answers(server, target, precision, requests, self._model, self._pictures)
            self._checked[target, body, precision] = requests
        return server, self._checked[target, body, precision]


@contextmanager
def start_target(
    target: TargetName,
    precision: Precision,
    model: Model,
    *,
    cores: set[int],
    folder: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[ServerProcess]:
    """Start a server of `model` on `cores`; it may not be ready yet. `settings` are environment variables.

    Raises:
        LeftOutError: it is not installed.
    """
    if target == "mosec" and find_spec("mosec") is None:
        raise LeftOutError("Mosec is not installed: pip install -e '.[benchmarks]'")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="home-", dir=folder) as home:
        environment = {**_environment(precision, model, Path(home)), **settings}
        command = _command(target, precision, model, port)
        with server_process(target, command, port=port, cores=cores, environment=environment, folder=folder) as server:
            yield server


def path_of(target: TargetName, precision: Precision, family: str) -> str:
    """Where a target takes pictures. The service is not asked for fp32 by name: that is what it serves by default."""
    if target == "mosec":
        return "/inference"
    if target == "naive":
        return "/predict"
    return f"/predict?model={family}" + ("" if precision == "fp32" else f"&precision={precision}")


def check_answers(
    server: ServerProcess,
    target: TargetName,
    precision: Precision,
    requests: Sequence[bytes],
    model: Model,
    pictures: Pictures,
) -> None:
    """Wait until the server answers, then see that it calls the first pictures what the graph itself calls them.

    Raises:
        LeftOutError: it refuses the request, or runs another precision.
        BenchmarkError: the server does not come up, or says something else.
    """
    expected = model.labels(precision, pictures.images_NHWC[:_CHECKED])
    for request, label in zip(requests, expected, strict=False):
        answer = wait_until_ready(server, request)
        if not answer.ok:
            raise LeftOutError(f"{target} does not serve {precision}: {answer.status} {_detail(answer)}")
        said, ran = _label(target, answer)
        if ran not in (None, precision):
            raise LeftOutError(f"{target} answered with {ran} when it was asked for {precision}")
        if said != label:
            raise BenchmarkError(f"{target} {precision} says {said!r} of a picture that the graph calls {label!r}")


def wait_until_ready(server: ServerProcess, request: bytes) -> Answer:
    """The server's first answer to `request` that is not about being busy or not ready.

    Raises:
        BenchmarkError: it has ended, or has no such answer within a minute.
    """
    for _ in range(int(START_SECONDS)):
        answer = settled_answer(server.port, request, within=1.0)
        if answer is not None:
            return answer
        server.require_alive()
    raise BenchmarkError(f"{server.name} does not answer {START_SECONDS:.0f} s after its start: {server.log_tail()}")


def _command(target: TargetName, precision: Precision, model: Model, port: int) -> list[str]:
    python = [sys.executable, "-m"]
    if target == "duet":
        return [*python, "duet", "serve", "--host", "127.0.0.1", "--port", str(port)]
    if target == "mosec":
        options = ["--address", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        return [*python, "benchmarks.serving.mosec_server", *options]
    labels = json.dumps(model.manifest.class_names)
    options = ["--graph", str(model.graph(precision)), "--labels", labels, "--port", str(port)]
    return [*python, "benchmarks.serving.naive_server", *options]


def _environment(precision: Precision, model: Model, home: Path) -> dict[str, str]:
    return {
        "DUET_HOME": str(home),
        "DUET_EMBEDDED_BROKER": "0",  # what it costs that jobs can run is measured by benchmarks.idle
        "DUET_SHIPPED_MODELS": str(model.layer),
        "BENCHMARK_GRAPH": str(model.graph(precision)),
        "BENCHMARK_LABELS": json.dumps(model.manifest.class_names),
        "ORT_DISABLE_TELEMETRY": "1",
        "TMPDIR": str(home.parent),
    }


def _label(target: TargetName, answer: Answer) -> tuple[str, str | None]:
    """What a server called the picture, and which precision it says ran, where it says so."""
    content = json.loads(answer.body)
    if target == "duet":
        prediction = content["predictions"][0]
        return prediction["label"], prediction["precision"]
    return content["label"], None


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.body[:200].decode("utf-8", "replace")
