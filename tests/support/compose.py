"""Services of docker-compose.yml under a separate project name and port, and small trainings on them over HTTP."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.labelled_folders import picture

ROOT = Path(__file__).resolve().parents[2]
HEALTHY_WITHIN_S = 120.0
SERVICES = ("proxy", "api", "worker", "redis")


def compose_command() -> list[str] | None:
    """Return the command of the Compose plugin or of docker-compose; None without either."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def why_not() -> str | None:
    """Return the reason to skip the container tests; None to run them."""
    if os.environ.get("DUET_TEST_DOCKER") != "1":
        return "set DUET_TEST_DOCKER=1 to build and run the containers"
    if compose_command() is None:
        return "neither the Compose plugin nor docker-compose is installed"
    engine = subprocess.run(["docker", "info"], capture_output=True)
    return "no Docker engine answers" if engine.returncode else None


def docker(*arguments: str) -> str:
    """Return the output of a docker command, which must succeed."""
    done = subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Stack:
    """The services of docker-compose.yml under their own project name and port.

    Attributes:
        env_file: read instead of .env.
        settings: variables of docker-compose.yml; DUET_ variables of this process are not passed on.
        figures: measurements by name.
    """

    project: str
    port: int
    env_file: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_compose(self, *arguments: str) -> subprocess.Popen[str]:
        settings = {"COMPOSE_PROJECT_NAME": self.project, "DUET_PORT": str(self.port), **self.settings}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
        return subprocess.Popen(
            [*(compose_command() or []), "--env-file", str(self.env_file), *arguments],
            cwd=ROOT, env=inherited | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def compose(self, *arguments: str) -> str:
        """Run a compose command, which must succeed, and return its output."""
        process = self.start_compose(*arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, f"compose {' '.join(arguments)}: {output}"
        return output

    def up(self, *arguments: str) -> None:
        """Start all services and wait until their containers are healthy."""
        self.compose("up", "--detach", *arguments)
        for service in SERVICES:
            for container in self.containers(service):
                self.wait_until_healthy(container)

    def inside(self, service: str, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in a service's container."""
        process = self.start_compose("exec", "-T", service, *command)
        output, _ = process.communicate()
        return process.returncode, output

    def in_api(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in the api's container."""
        return self.inside("api", *command)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, those that have ended included."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def inspect(self, service: str) -> dict[str, Any]:
        """Return `docker inspect` of the only container of a service."""
        (container,) = self.containers(service)
        return inspect(container)

    def wait_until_healthy(self, container: str) -> None:
        """Wait until the health check passes."""
        give_up = time.monotonic() + HEALTHY_WITHIN_S
        while inspect(container)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < give_up, docker("logs", container)
            time.sleep(0.2)


def inspect(container: str) -> dict[str, Any]:
    """Return `docker inspect` of a container."""
    (found,) = json.loads(docker("inspect", container))
    return dict(found)


def seconds_to_healthy(container: str) -> float:
    """From the start of a container until its health check passed first; asked for soon after that."""
    state = inspect(container)["State"]
    passed = next(check["End"] for check in state["Health"]["Log"] if check["ExitCode"] == 0)
    return (_moment(passed) - _moment(state["StartedAt"])).total_seconds()


def _moment(text: str) -> datetime:
    """Parse a Docker timestamp, which has nanoseconds and either Z or an offset."""
    whole, _, rest = text.partition(".")
    zone = "+00:00" if rest.endswith("Z") else rest[-6:]
    return datetime.fromisoformat(f"{whole}.{rest[:6]}{zone}")


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Build and start all services, measured; everything but the images is removed afterwards. `folder` is empty."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A lease shorter than the usual, so that a worker that was killed is soon noticed.
    settings = {"DUET_JOB_LEASE_SECONDS": "5"}
    env_file = folder / ".env"
    env_file.touch()
    stack = Stack(f"duet-test-{os.getpid()}-{port}", port, env_file, settings)
    try:
        began = time.monotonic()
        stack.compose("build")
        built = time.monotonic()
        stack.figures["docker-compose build"] = f"{built - began:.1f} s, less what the engine had built before"
        stack.compose("up", "--detach")
        (api,), (proxy,) = stack.containers("api"), stack.containers("proxy")
        # One after the other, because the engine forgets all but the last five checks.
        stack.wait_until_healthy(api)
        stack.figures["api, from its start to healthy"] = f"{seconds_to_healthy(api):.1f} s"
        stack.wait_until_healthy(proxy)
        stack.figures["docker-compose up, until the address answers"] = f"{time.monotonic() - built:.1f} s"
        stack.up()
        stack.figures["docker-compose up, all four healthy"] = f"{time.monotonic() - built:.1f} s"
        for service in SERVICES:
            image = stack.inspect(service)["Config"]["Image"]
            (told,) = json.loads(docker("image", "inspect", image))
            stack.figures[f"image {image}"] = f"{told['Size'] / 1e6:.0f} MB"
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "1")


Event = tuple[str, dict[str, Any]]
"""Id and fields of an event of a job."""

CLASSES = ("grass", "night", "sand")
IMAGES = 24
TINY = {"epochs": 2, "batch_size": 16}


def upload(client: httpx.Client) -> None:
    """Upload the data set `colours`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for label in CLASSES:
            for number in range(IMAGES):
                archive.writestr(f"{label}/{number}.png", picture(label, number))
    headers = {"Content-Type": "application/zip"}
    answer = client.post("/datasets/colours", content=stream.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text


def train(client: httpx.Client, seed: int, promote: str = "never", **overrides: int) -> str:
    """Start a training of the family `colours` and return the path of its job."""
    asked = {
        "recipe": "mlp_baseline",
        "data": "folder:colours",
        "family": "colours",
        "seed": seed,
        "overrides": TINY | overrides,
        "promote": promote,
    }
    answer = client.post("/train", json=asked)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def watch(client: httpx.Client, job: str, after: str = "0", until: str = "finished") -> list[Event]:
    """Return the events of a job after one of them, up to the first of a kind; reconnects as a browser does."""
    seen: list[Event] = []
    while True:
        try:
            for name, event in _events(client, job, seen[-1][0] if seen else after):
                seen.append((name, event))
                if event["event"] == until:
                    return seen
        except httpx.TransportError:
            pass
        time.sleep(0.2)


def _events(client: httpx.Client, job: str, after: str) -> Iterator[Event]:
    with client.stream("GET", f"{job}/events", headers={"Last-Event-ID": after}, timeout=600) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line:
                if "data" in fields:
                    yield fields["id"], json.loads(fields["data"])
                fields = {}


def champion(client: httpx.Client) -> int | None:
    """Return the champion of the family `colours`."""
    models = client.get("/models").json()["models"]
    return next((model["champion"] for model in models if model["model"] == "colours"), None)
