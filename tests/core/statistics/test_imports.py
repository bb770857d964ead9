"""Imports of core.statistics: no scipy.stats and no scikit-learn."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("calibration", "comparison", "conformal", "energy", "intervals")


def test_statistics_load_no_heavy_library() -> None:
    script = (
        "import sys, numpy\n"
        + "".join(f"import core.statistics.{module}\n" for module in MODULES)
        + "from core.statistics.comparison import compare_paired\n"
        "from core.statistics.calibration import calibrated_ece\n"
        "from core.statistics.conformal import coverage_band\n"
        "coverage_band(100, 50, 0.9)\n"
        "calibrated_ece(numpy.full((4, 2), 0.5))\n"
        "answers = numpy.array([0, 1, 1])\n"
        "compare_paired(answers, answers, answers[::-1])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'scipy', 'sklearn', 'torch'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []
