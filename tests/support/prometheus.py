"""Debian's Prometheus with the configuration of deploy/prometheus, scraping one service every half second."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Series of an instant query; the query must be valid."""
        answer = self._client.get("/api/v1/query", params={"query": promql}).json()
        assert answer["status"] == "success", f"{promql}: {answer}"
        assert answer["data"]["resultType"] == "vector", promql
        return list(answer["data"]["result"])

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._client.close()


@contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Start it with the rules of the project on a free port; `folder` is empty, `target` is the host:port to scrape."""
    configuration = folder / "prometheus"
    shutil.copytree(ROOT / "deploy" / "prometheus", configuration)
    path = configuration / "prometheus.yml"
    text = path.read_text(encoding="utf-8").replace("127.0.0.1:8000", target)
    path.write_text(re.sub(r"_interval: 15s", "_interval: 500ms", text), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        server = Prometheus(f"http://{address}")
        try:
            give_up = time.monotonic() + START_SECONDS
            while not server.is_ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < give_up, (folder / "log").read_text()
                time.sleep(0.05)
            yield server
        finally:
            server.close()
            process.terminate()
