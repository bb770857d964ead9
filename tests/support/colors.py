"""Small training on the data set `colours`, started and followed over HTTP."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.labelled_folders import picture

Event = tuple[str, dict[str, Any]]
"""The id of an event, and what it says."""

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


def watch(
    client: httpx.Client, job: str, after: str = "0", until: str = "finished"
) -> list[tuple[str, dict[str, Any]]]:
    """The events of a job after one of them, with their ids, as they come, up to the first of a kind.

    A connection that is lost is made again from where it was, as a browser does.
    """
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
