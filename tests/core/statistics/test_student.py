import pytest
from scipy import stats

from core.statistics.student import student_mean


def test_the_interval_is_that_of_a_t_test() -> None:
    values = [0.61, 0.64, 0.60, 0.66]
    found = student_mean(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.value == pytest.approx(sum(values) / 4)
    assert [found.low, found.high] == pytest.approx([low, high])
    narrow = student_mean(values, confidence=0.5)
    assert low < narrow.low < narrow.high < high


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="1 values"):
        student_mean([0.5])
