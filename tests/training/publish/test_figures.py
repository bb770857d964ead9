"""Figures of a version: confusion matrices of many classes, and class names that matplotlib could misread."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from core.repository.graph_records import Calibration
from training.evaluation.scores import score
from training.plots.style import png
from training.publish.figures import confused_pairs, confusion

CALIBRATION = Calibration(
    temperature=1.0, coverage=0.9, conformal_threshold=0.3, ood_threshold=-1.5, ood_flag_rate=0.05
)

MANY_CLASSES = """
import resource, sys
import numpy as np
from core.repository.graph_records import Calibration
from training.evaluation.scores import score
from training.publish.figures import _save, confused_pairs
from pathlib import Path

classes = 1_000
labels_N = np.repeat(np.arange(classes), 4)
logits_NK = np.random.default_rng(0).normal(size=(len(labels_N), classes)).astype(np.float32)
calibration = Calibration(
    temperature=1.0, coverage=0.9, conformal_threshold=0.3, ood_threshold=-1.5, ood_flag_rate=0.05
)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_500_000_000,) * 2)
scores = score(logits_NK, labels_N, tuple(map(str, range(classes))), calibration, calibration_images=4_000)
_save(confused_pairs("cnn@1", scores), Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and ru_maxrss is in KiB on Linux only")
def test_figures_of_1000_classes_take_bounded_memory(tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    run = subprocess.run([sys.executable, "-c", MANY_CLASSES, str(picture)], capture_output=True, text=True, check=True)
    assert picture.stat().st_size > 0
    assert float(run.stdout) <= 700


@pytest.mark.parametrize(
    "names", [("US$", "A$b$c", r"$\\frac{"), ("cat|dog", "all", "_x_"), ("\u732b", "\u72ac\u7d20", "\U0001f9ff")]
)
def test_class_names_are_drawn_literally(names: tuple[str, str, str]) -> None:
    labels_N = np.arange(3)
    scores = score(np.eye(3, dtype=np.float32), labels_N, names, CALIBRATION, calibration_images=10)
    figure = confusion("cnn@1", scores)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning
        png(figure)
    drawn = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert not any(text.count("$") != text.count(r"\$") for text in drawn)


def test_confused_pairs_are_named_with_their_images() -> None:
    names = ("a$" * 40, *(f"class {number}" for number in range(1, 150)))
    labels_N = np.array([0, 0, 0, 1, 2, 2])
    logits_NK = np.zeros((6, 150), np.float32)
    logits_NK[range(6), [7, 7, 0, 1, 9, 2]] = 9
    figure = confused_pairs("cnn@1", score(logits_NK, labels_N, names, CALIBRATION, calibration_images=10))
    [axes] = figure.axes
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [2, 1]
    first, second = (text.get_text().replace("\\$", "$") for text in axes.get_yticklabels())
    assert first == f"{names[0][:29]}\u2026 as class 7"
    assert second == "class 2 as class 9"
    assert axes.get_title() == "cnn@1: 2 most frequent confusions, 6 test images, accuracy 50.00%"
    png(figure)


def test_without_confusions_the_figure_says_so() -> None:
    names = tuple(f"class {number}" for number in range(150))
    scores = score(np.eye(150, dtype=np.float32) * 9, np.arange(150), names, CALIBRATION, calibration_images=10)
    assert confused_pairs("cnn@1", scores).axes[0].get_title().startswith("cnn@1: no confusion, 150 test images")
