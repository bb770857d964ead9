"""The services of docker-compose.yml, really built and run, under a project name and a port of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEALTHY_WITHIN_S = 90.0


def compose_command() -> list[str] | None:
    """The Compose plugin where it is installed, else docker-compose, else None."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def why_not() -> str | None:
    """Why the containers cannot or should not be built here; None where they can and should."""
    if os.environ.get("DUET_TEST_DOCKER") != "1":
        return "set DUET_TEST_DOCKER=1 to build and run the containers"
    if compose_command() is None:
        return "neither the Compose plugin nor docker-compose is installed"
    engine = subprocess.run(["docker", "info"], capture_output=True)
    return "no Docker engine answers" if engine.returncode else None


@dataclass(frozen=True)
class Stack:
    """The services of docker-compose.yml under a project name and a port of their own."""

    project: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_compose(self, *arguments: str) -> subprocess.Popen[str]:
        settings = {"COMPOSE_PROJECT_NAME": self.project, "DUET_PORT": str(self.port)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
        return subprocess.Popen(
            [*(compose_command() or []), *arguments],
            cwd=ROOT,
            env=inherited | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def compose(self, *arguments: str) -> str:
        """Run to the end, which must be a success; what it wrote."""
        process = self.start_compose(*arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, f"compose {' '.join(arguments)}: {output}"
        return output

    def inside(self, service: str, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in a service's container."""
        process = self.start_compose("exec", "-T", service, *command)
        output, _ = process.communicate()
        return process.returncode, output

    def in_api(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in the api's container."""
        return self.inside("api", *command)

    def inspect(self, template: str, service: str = "api") -> str:
        """What Docker says of a service's container, as a Go template shows it."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        found = subprocess.run(
            ["docker", "inspect", "--format", template, container], capture_output=True, text=True, check=True
        )
        return found.stdout.strip()

    def wait_until_healthy(self, service: str = "api") -> None:
        """Return once its health check passes."""
        give_up = time.monotonic() + HEALTHY_WITHIN_S
        while self.inspect("{{.State.Health.Status}}", service) != "healthy":
            assert time.monotonic() < give_up, self.compose("logs", service)
            time.sleep(0.2)


@contextmanager
def running_stack(*services: str) -> Iterator[Stack]:
    """Build and start the services, and those they depend on, until they are healthy; all is removed afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack = Stack(f"duet-test-{os.getpid()}-{port}", port)
    try:
        stack.compose("up", "--detach", "--build", *services)
        for service in services:
            stack.wait_until_healthy(service)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "1")
