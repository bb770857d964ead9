"""Bring README.md up to date with the shipped models: `python docs/update.py`.

Starts a service on the shipped models, runs every command of the page that an answer follows, writes the answers and
the table of scores into the page, and draws the pictures of answers. The texts around them stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from core.api import CompareResponse
from core.estimate import Estimate
from core.evaluation import read_evaluation
from core.manifest import Manifest
from core.repository import ModelRepository
from duet import Client

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "README.md"
IMAGES = ROOT / "docs" / "images"
PICTURE = IMAGES / "cat.jpg"
SHOWN = ("smoothgrad", "integrated_gradients", "grad_cam", "occlusion")
COMPARED = "integrated_gradients,occlusion"
ADDRESS = "http://127.0.0.1:8000"
_ANSWERED = re.compile(r"```(bash|python)\n(?P<command>[^`]*?)```\n\n```(?P<kind>json|text)\n.*?```", re.DOTALL)
_MARKED = re.compile(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    """Rewrite the page."""
    repository = ModelRepository(ROOT / "nowhere", ROOT / "models")
    with _service() as address:
        page = _ANSWERED.sub(lambda found: _answered(found, address), PAGE.read_text())
        with Client(address) as client:
            _draw(client.compare(PICTURE), IMAGES / "answer.png")
            (IMAGES / "saliency.png").write_bytes(client.saliency_picture(PICTURE, method=SHOWN))
        (IMAGES / "saliency-compared.png").write_bytes(_compared(address))
    marked = {"scores": _scores(repository), "machine": _machine(repository)}
    page = _MARKED.sub(lambda found: f"<!-- {found['name']} -->\n{marked[found['name']]}\n<!-- end -->", page)
    PAGE.write_text(page)


@contextmanager
def _service() -> Iterator[str]:
    """A service on a free port, with the shipped models alone."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"DUET_HOME": home, "DUET_SHIPPED_MODELS": str(ROOT / "models")}
        command = [sys.executable, "-m", "duet", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                assert process.stdout is not None  # noqa: S101  a pipe was asked for
                address = process.stdout.readline().split()[4]
                while httpx.get(f"{address}/readyz").status_code != 200:
                    time.sleep(0.1)
                yield address
            finally:
                process.terminate()


def _compared(address: str) -> bytes:
    """Both models' maps in one picture."""
    query = {"saliency": COMPARED, "format": "png"}
    answer = httpx.post(f"{address}/compare", params=query, files={"file": PICTURE.read_bytes()}, timeout=60)
    return answer.raise_for_status().content


def _answered(found: re.Match[str], address: str) -> str:
    """A command block and its answer, as the service answers now."""
    language, command, kind = found[1], found["command"], found["kind"]
    text = command.replace(ADDRESS, address)
    words = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    answer = _compact(json.loads(printed)) if kind == "json" else printed.strip().replace(address, ADDRESS)
    return f"```{language}\n{command}```\n\n```{kind}\n{answer}\n```"


def _compact(value: object, indent: int = 0) -> str:
    """JSON with every list and object on one line that fits there."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {_compact(entry, indent + 2)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [pad + _compact(entry, indent + 2) for entry in value]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


def _scores(repository: ModelRepository) -> str:
    lines = [
        "| version | recipe | accuracy | macro F1 | ECE | parameters | multiply-accumulates | training |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(repository, family, version) for family, version in sorted(repository.champions().items())]
    return "\n".join(lines)


def _row(repository: ModelRepository, family: str, version: int) -> str:
    manifest = repository.manifest(family, version)
    scores = read_evaluation(repository.folder(family, version)).scores["fp32"]
    cost = manifest.cost
    return (
        f"| `{manifest.reference}` | `{manifest.recipe}` | {_percent(scores.accuracy)} | {_percent(scores.macro.f1)} "
        f"| {scores.reliability.ece:.2%} | {cost.parameters:,} | {cost.macs / 1e6:.1f} M "
        f"| {cost.training_seconds / 60:.1f} min |"
    )


def _machine(repository: ModelRepository) -> str:
    manifests = [repository.manifest(family, version) for family, version in sorted(repository.champions().items())]
    stated = list(dict.fromkeys(_environment(manifest) for manifest in manifests))
    return f"Trained on {'; '.join(stated)}."


def _environment(manifest: Manifest) -> str:
    environment = manifest.environment
    device = environment.cpu if environment.device == "cpu" else environment.device
    return f"{environment.threads} threads of {device} with torch {environment.torch}"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.1%} to {estimate.high:.1%})"


def _draw(answer: CompareResponse, path: Path) -> None:
    """The picture beside both models' most probable classes."""
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    axes[0].imshow(Image.open(PICTURE))
    axes[0].set_title("docs/images/cat.jpg", fontsize=10)
    axes[0].axis("off")
    for plot, prediction in zip(axes[1:], answer.predictions, strict=True):
        top = prediction.top[::-1]
        colours = ["#0072B2" if entry.label in prediction.prediction_set else "#bbbbbb" for entry in top]
        plot.barh([entry.label for entry in top], [entry.probability for entry in top], color=colours)
        for row, entry in enumerate(top):
            plot.text(min(entry.probability, 0.72) + 0.02, row, f"{entry.probability:.1%}", va="center", fontsize=10)
            if entry.probability > 0.72:
                plot.texts[-1].set_color("white")
        plot.set_xlim(0, 1)
        plot.set_xticks([])
        plot.set_title(f"{prediction.model}@{prediction.version}: {prediction.label}", fontweight="bold", fontsize=11)
        plot.set_xlabel(_sets(list(prediction.prediction_set), prediction.coverage), fontsize=9)
        for side in ("top", "right", "bottom"):
            plot.spines[side].set_visible(False)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _sets(labels: list[str], coverage: float) -> str:
    listed = ", ".join(labels[:3]) + (f" or {len(labels) - 3} others" if len(labels) > 3 else "")
    return f"{coverage:.0%} prediction set:\n{listed}"


if __name__ == "__main__":
    main()
