from __future__ import annotations

import pytest

from core.errors import DataError
from core.statistics.intervals import ConfidenceInterval
from training.analysis.report import number_format as format_

SHARE = ConfidenceInterval(value=0.9074, low=0.902, high=0.9131)
DIFFERENCE = ConfidenceInterval(value=-0.0001, low=-0.02, high=0.02)


def test_formats_print_figures_with_their_interval() -> None:
    assert format_.percent(SHARE) == format_.percent(0.9074) == "90.7%"
    assert format_.interval(SHARE) == "90.7% (90.2% to 91.3%)"
    assert format_.points(DIFFERENCE) == "0.0 (-2.0 to +2.0)"
    assert format_.signed(DIFFERENCE) == "0.000 (-0.020 to +0.020)"
    assert format_.number(DIFFERENCE, 2) == "0.00 (-0.02 to 0.02)"
    assert format_.decimal(1234.5678) == "1,234.57"


def test_negated_swaps_the_bounds() -> None:
    change = ConfidenceInterval(value=-0.1, low=-0.3, high=0.05)
    assert format_.negated(change) == ConfidenceInterval(value=0.1, low=-0.05, high=0.3)


def test_p_values_and_names_are_readable() -> None:
    assert [format_.p_value(p) for p in (0.0, 3.21e-12, 0.04)] == ["below 1e-300", "3.2e-12", "0.040"]
    assert [format_.joined(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert format_.megabytes(24_400_000) == "24.4 MB"


@pytest.mark.parametrize("format_figure", [format_.percent, format_.interval, format_.points, format_.negated])
def test_formats_of_null_raise_data_error(format_figure: object) -> None:
    assert callable(format_figure)
    with pytest.raises(DataError, match="was not measured"):
        format_figure(None)
