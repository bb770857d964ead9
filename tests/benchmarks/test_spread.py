from __future__ import annotations

import math

import pytest

from benchmarks.serving.spread import Spread, percentile, spread


def test_the_spread_is_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread(iter([1.0, 2.0])) == Spread(1.5, 1.0, 2.0)


def test_a_spread_is_shown_only_where_there_is_one() -> None:
    assert spread([1234.5, 1233.5, 1240.0]).text(1) == "1,234.5 (1,233.5..1,240.0)"
    assert spread([0.9]).text(2) == "0.90"


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_values_by_nearest_rank(percent: float, expected: float) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, percent) == expected


def test_the_99th_percentile_of_a_few_is_the_highest() -> None:
    assert percentile([1.0, 2.0, 30.0], 99) == 30.0


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile([], 50))
