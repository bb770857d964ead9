"""Draw py-spy's collapsed stacks as a flame graph: `python -m benchmarks.flame stacks.txt picture.png`.

    py-spy record --pid PID --duration 8 --format raw --output stacks.txt

Only the event loop's own thread is drawn, from the loop downwards; the width of a box is its share of the samples.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT_FRAME = "Runner.run"
_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>.*?)(:\d+)?\)$")
_COLORS = {"service/": "#0072B2", "core/": "#009E73", "PIL/": "#E69F00", "onnxruntime/": "#D55E00"}
_OTHER = "#9a9a9a"
_MIN_SHARE = 0.004


@dataclass
class Frame:
    """A function called from one place, the samples in it and below it, and what it called."""

    name: str
    file: str
    samples: int = 0
    called: dict[str, Frame] = field(default_factory=dict)


def read_stacks(lines: Iterator[str]) -> Frame:
    """The tree of calls below the event loop, from collapsed stacks (`frame;frame;frame count`)."""
    root = Frame("event loop", "")
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        starts = [place for place, frame in enumerate(frames) if frame.startswith(ROOT_FRAME)]
        if not starts:
            continue
        node = root
        node.samples += int(count)
        for frame in frames[starts[-1] + 1 :]:
            found = _FRAME.match(frame)
            name, file = (found["function"], _short(found["file"])) if found else (frame, "")
            node = node.called.setdefault(f"{name} {file}", Frame(name, file))
            node.samples += int(count)
    return root


def draw(root: Frame, path: Path) -> None:
    """Write the flame graph as a picture, callers above what they call."""
    figure = Figure(figsize=(16, 9), layout="constrained")
    axes = figure.subplots()
    depth = _draw(axes, root, 0.0, 0, root.samples)
    axes.set_xlim(0, 1)
    axes.set_ylim(depth + 1, 0)
    axes.axis("off")
    axes.set_title(
        f"{root.samples:,} samples of the event loop's thread: service blue, core green, Pillow orange, onnxruntime red"
    )
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def _draw(axes: Axes, node: Frame, left: float, depth: int, total: int) -> int:
    width = node.samples / total
    color = next((color for start, color in _COLORS.items() if node.file.startswith(start)), _OTHER)
    axes.barh(depth + 0.5, width, left=left, height=0.94, color=color, edgecolor="white", linewidth=0.5)
    label = f"{node.name} {width:.1%}" if width > 0.06 else node.name
    room = int(width * 200)
    if room >= 5:
        text = label if len(label) <= room else label[: room - 1] + "…"
        axes.text(
            left + width / 2, depth + 0.5, text, ha="center", va="center", fontsize=7, color="white", clip_on=True
        )
    deepest = depth
    for called in sorted(node.called.values(), key=lambda frame: -frame.samples):
        if called.samples / total >= _MIN_SHARE:
            deepest = max(deepest, _draw(axes, called, left, depth + 1, total))
            left += called.samples / total
    return deepest


def _short(file: str) -> str:
    """The path below the folder of packages, which says which package it is and nothing of the machine."""
    for marker in ("site-packages/", "python3.11/", "python3.12/"):
        file = file.rpartition(marker)[2]
    return file


def main() -> None:
    """Read the first argument's stacks, draw them into the second."""
    stacks, picture = map(Path, sys.argv[1:3])
    with stacks.open() as lines:
        draw(read_stacks(iter(lines)), picture)


if __name__ == "__main__":
    main()
