"""Simulated clients and people for docs/loop.md: CIFAR-10 test images, unchanged or with noise, and their true classes.

python docs/examples/live_stream.py URL send IMAGES NOISE     send images, and remember their true classes
python docs/examples/live_stream.py URL label PICTURES        label pictures of the queue, as a person would
python docs/examples/live_stream.py URL watch                 print the live figures and alarms
python docs/examples/live_stream.py URL trial NOISE           send images with feedback until the shadow trial ends

NOISE is the standard deviation of Gaussian noise, for pixels in [0, 1]. The images are those of DUET_DATA_DIR, or else
the twenty that ship. The API key is read from DUET_API_KEY. True classes are kept in live_stream.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import httpx
import numpy as np

from core.images.cifar_reader import find_python_batches, read_test_images
from duet import Client
from service.models.sample_images import example_pixels, shipped_examples

KNOWN = Path("live_stream.json")
FAMILY = "mlp"
PER_SECOND = 10.0
"""Images per second: few enough for the idle time in which the challenger answers."""
FEEDBACK_SECONDS = 10.0
"""Age of a request at its feedback: by then its picture is stored, and both versions have answered."""
MAX_IMAGES = 5_000
WAIT_SECONDS = 120.0


class Stream:
    """Sends images, each with its own noise, and remembers their true classes by request id."""

    def __init__(self, client: Client, noise: float) -> None:
        data_dir = os.environ.get("DUET_DATA_DIR")
        folder = find_python_batches(Path(data_dir)) if data_dir else None
        if folder is None:
            self._images = list(zip(example_pixels(), [each.label for each in shipped_examples()], strict=True))
        else:
            found = read_test_images(folder)
            self._images = [
                (pixels_HWC, found.class_names[label])
                for pixels_HWC, label in zip(found.pixels_NHWC, found.labels_N, strict=True)
            ]
        self._client = client
        self._noise = noise
        self.known: dict[str, str] = json.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}
        self._random = np.random.default_rng(len(self.known))
        self.sent: list[tuple[float, str]] = []
        self.right = 0

    def send(self) -> None:
        """Send one image, and wait so that PER_SECOND are sent."""
        began = time.monotonic()
        pixels_HWC, label = self._images[self._random.integers(len(self._images))]
        noisy_HWC = pixels_HWC + self._random.normal(0, 255 * self._noise, pixels_HWC.shape)
        response = self._client.compare(noisy_HWC.round().clip(0, 255).astype(np.uint8))
        self.known[response.request_id] = label
        self.sent.append((began, response.request_id))
        self.right += next(each.label for each in response.predictions if each.model == FAMILY) == label
        time.sleep(max(0.0, 1 / PER_SECOND - (time.monotonic() - began)))

    def save(self) -> None:
        """Store the true classes, and print the accuracy, which only a simulation knows."""
        KNOWN.write_text(json.dumps(self.known), encoding="utf-8")
        print(f"{len(self.sent)} images sent, {self.right / len(self.sent):.1%} of the answers of {FAMILY} are right")


def send(client: Client, images: int, noise: float) -> None:
    """Send a number of images."""
    stream = Stream(client, noise)
    for _ in range(images):
        stream.send()
    stream.save()


def label(client: Client, pictures: int) -> None:
    """Label pictures of the queue until it is empty, at most `pictures`."""
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    done = 0
    while done < pictures and (task := client.next_picture().task) is not None:
        client.label_picture(task.id, "label", label=known[task.record], claim=task.claim)
        done += 1
    print(f"{done} pictures labelled")


def watch(url: str) -> None:
    """Print the figures when they have stopped changing, because they follow requests within seconds."""
    before, deadline = None, time.monotonic() + WAIT_SECONDS
    while (figures := httpx.get(f"{url}/metrics/live").json()) != before or not figures["images"]:
        if time.monotonic() > deadline:
            sys.exit(f"the figures were not ready within {WAIT_SECONDS:g} s")
        before = figures
        time.sleep(5)
    for model in figures["models"]:
        print(f"{model['model']}@{model['version']}: {model['images']} images")
        if model["accuracy"]:
            value, low, high = (model["accuracy"][name] for name in ("value", "low", "high"))
            print(f"  accuracy from {model['labelled']} labels: {value:.1%} ({low:.1%} to {high:.1%})")
        if found := model["label_free"]:
            error = f"{100 * found['error']:.1f}"
            print(f"  accuracy without labels: {found['accuracy']:.1%}, mean error {error} points")
        else:
            print(f"  accuracy without labels: none, {model['label_free_reason']}")
    for alarm in reversed(figures["alarms"]):
        print(f"alarm: {alarm['message']}")


def trial(client: Client, noise: float) -> None:
    """Send images, and later their true classes as feedback, until the running shadow trial ends."""
    stream = Stream(client, noise)
    told = 0
    while (found := client.shadow(FAMILY)).running:
        if len(stream.sent) == MAX_IMAGES:
            sys.exit(f"the trial is still running after {MAX_IMAGES} images")
        stream.send()
        old = [each for at, each in stream.sent[told:] if time.monotonic() - at > FEEDBACK_SECONDS]
        client.feedback({each: stream.known[each] for each in old})
        told += len(old)
    stream.save()
    counts = found.result.counts
    print(f"verdict: {found.result.verdict}, {counts.challenger_right} to {counts.champion_right}")
    deadline = time.monotonic() + WAIT_SECONDS
    while found.promotion is None and time.monotonic() < deadline:
        time.sleep(1)
        found = client.shadow(FAMILY)
    print("promoted" if found.promotion and found.promotion.promoted else f"not promoted: {found.promotion}")


def main(url: str, what: str, *numbers: str) -> None:
    """Run one of the commands."""
    with Client(url, api_key=os.environ.get("DUET_API_KEY")) as client:
        match what:
            case "send":
                send(client, int(numbers[0]), float(numbers[1]))
            case "label":
                label(client, int(numbers[0]))
            case "watch":
                watch(url)
            case "trial":
                trial(client, float(numbers[0]))
            case _:
                sys.exit(f"unknown: {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
