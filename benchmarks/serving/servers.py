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
from typing import Any, Literal, get_args

from benchmarks.common.http import HOST, Answer, requests_for
from benchmarks.common.inputs import CPU, Engine, Images, Model
from benchmarks.common.machine import Cores
from benchmarks.common.report import BenchmarkError, SkippedError
from benchmarks.common.server import Server, free_port, start_duet, start_server

ServerName = Literal["duet", "naive", "mosec"]
Body = Literal["multipart", "raw"]
SERVERS: tuple[ServerName, ...] = get_args(ServerName)
BODIES: tuple[Body, ...] = get_args(Body)
BODIES_OF: Mapping[ServerName, tuple[Body, ...]] = MappingProxyType(
    {"duet": BODIES, "naive": ("multipart",), "mosec": ("raw",)}
)
_VERBOSE = f"GET /readyz?verbose HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_CHECKED_IMAGES = 16

Targets = dict[tuple[Engine, ServerName, Body], tuple[Server, list[bytes]]]
"""Running servers with checked answers, and the requests for them."""


@dataclass(frozen=True)
class Setup:
    """Inputs of all parts of a run; `default` is the engine that Duet chooses with default settings."""

    model: Model
    images: Images
    cores: Cores
    folder: Path
    default: Engine = CPU

    def races(self, name: ServerName, engine: Engine) -> bool:
        """Return whether a server is measured with an engine: the others have their default and Duet's."""
        return name == "duet" or engine in (CPU, self.default)

    def providers(self, engine: Engine) -> str:
        """Return DUET_PROVIDERS for an engine: the default setting for the one that it chooses."""
        return "auto" if engine == self.default else engine.provider


@contextmanager
def start_targets(
    setup: Setup, names: Sequence[ServerName], engines: Sequence[Engine], skip: Callable[[str], None]
) -> Iterator[Targets]:
    """Start the servers on the server core and check their answers; call `skip` with a line for each one left out.

    Raises BenchmarkError if a server does not start, or its answers are wrong.
    """
    targets: Targets = {}
    duets: dict[str, Server] = {}
    with ExitStack() as stack:
        for name in names:
            for engine in (each for each in engines if setup.races(name, each)):
                try:
                    if name != "duet":
                        server = stack.enter_context(start_other(name, engine, setup))
                    elif setup.providers(engine) in duets:
                        server = duets[setup.providers(engine)]
                    else:
                        settings = {"DUET_PROVIDERS": setup.providers(engine)}
                        server = stack.enter_context(start_served(setup, setup.cores.server, settings=settings))
                        duets[setup.providers(engine)] = server
                    for body in BODIES_OF[name]:
                        asked = None if engine == setup.default else engine
                        path = predict_path(name, setup.model.manifest.family, asked)
                        requests = requests_for(body, path, setup.images.pngs)
                        check_answers(server, name, engine, requests, setup)
                        targets[engine, name, body] = server, requests
                except SkippedError as reason:
                    skip(f"{name} {engine}: {reason}")
        yield targets


@contextmanager
def start_served(
    setup: Setup, *cores: int, settings: Mapping[str, str] = MappingProxyType({}), home: Path | None = None
) -> Iterator[Server]:
    """Start Duet on `cores`, in a new home by default; it may not be ready yet."""
    with ExitStack() as stack:
        folder = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="home-", dir=setup.folder)))
        # Jobs are off; benchmarks.idle measures the cost of the broker and the worker.
        settings = {"DUET_EMBEDDED_BROKER": "0", **settings}
        yield stack.enter_context(start_duet(folder, settings, models=setup.model.models, cores=cores))


@contextmanager
def start_other(name: ServerName, engine: Engine, setup: Setup) -> Iterator[Server]:
    """Start the naive server or Mosec on the server core. Raises SkippedError if it is not installed."""
    if name == "mosec" and find_spec("mosec") is None:
        raise SkippedError("Mosec is not installed: run `pip install -e '.[serve,benchmarks]'`")
    port = free_port()
    options = ["--address", HOST, "--log-level", "warning"] if name == "mosec" else []
    command = [f"benchmarks.serving.{name}_server", "--port", str(port), *options]
    environment = {
        "BENCHMARK_VERSION": str(setup.model.folder),
        "BENCHMARK_ENGINE": json.dumps(engine),
        "BENCHMARK_LABELS": json.dumps(setup.model.manifest.class_names),
    }
    cores = (setup.cores.server,)
    with start_server(name, command, environment, port=port, folder=setup.folder, cores=cores) as server:
        yield server


def default_engine(setup: Setup) -> Engine:
    """Start Duet with default settings and return the engine that it chooses on the server core."""
    with start_served(setup, setup.cores.server) as server:
        [request, *_] = requests_for("raw", predict_path("duet", setup.model.manifest.family), setup.images.pngs)
        if not server.wait_for_answer(request).ok:
            raise BenchmarkError(f"the service does not answer: {server.log_tail()}")
        readiness = _readiness(server, setup)
        precision = readiness["precision"]
        [provider] = [name for name, loaded in _loaded(readiness) if loaded == precision]
        return Engine(provider, precision)


def predict_path(name: ServerName, family: str, engine: Engine | None = None) -> str:
    """Return the path of a prediction; without an engine, in the default precision."""
    if name == "duet":
        return f"/predict?model={family}" + (f"&precision={engine.precision}" if engine else "")
    return "/inference" if name == "mosec" else "/predict"


def check_answers(server: Server, name: ServerName, engine: Engine, requests: Sequence[bytes], setup: Setup) -> None:
    """Wait until the server answers, then compare its first labels with those of the graph itself.

    Raises:
        SkippedError: the server rejects the request, or runs another engine.
        BenchmarkError: the server does not start, or a label differs.
    """
    answer = server.wait_for_answer(requests[0])
    if not answer.ok:
        raise SkippedError(f"{name} does not serve {engine.precision}: {answer.status} {answer.body[:200]!r}")
    if name == "duet" and engine not in _loaded(readiness := _readiness(server, setup)):
        reasons = [each["reason"] for each in readiness["providers"] if (each["provider"], each["precision"]) == engine]
        raise SkippedError(f"the service does not use it ({reasons[0] if reasons else 'not installed'})")
    expected = setup.model.labels(engine, setup.images.images_NHWC[:_CHECKED_IMAGES])
    for request, label in zip(requests, expected, strict=False):
        answered = _label(name, server.wait_for_answer(request))
        if answered != label:
            raise BenchmarkError(f"{name} {engine} answers {answered!r} for an image that the graph labels {label!r}")


def _readiness(server: Server, setup: Setup) -> dict[str, Any]:
    """Wait until all champions are loaded, and return the state of the family under test in /readyz."""
    models = json.loads(server.wait_for_answer(_VERBOSE).body)["models"]
    return next(model for model in models if model["model"] == setup.model.manifest.family)


def _loaded(readiness: Mapping[str, Any]) -> set[Engine]:
    return {Engine(each["provider"], each["precision"]) for each in readiness["providers"] if each["state"] == "loaded"}


def _label(name: ServerName, answer: Answer) -> str:
    content = json.loads(answer.body)
    return str((content["predictions"][0] if name == "duet" else content)["label"])
