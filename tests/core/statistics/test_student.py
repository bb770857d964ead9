import pytest
from scipy import stats

from core.statistics.student import mean_at_least, student_mean


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


def test_the_one_sided_bound_is_where_a_one_sided_test_turns_significant() -> None:
    values = [0.61, 0.64, 0.60, 0.66]
    bound = mean_at_least(values)
    assert stats.ttest_1samp(values, bound, alternative="greater").pvalue == pytest.approx(0.05)
    assert student_mean(values).low < bound < sum(values) / 4
    with pytest.raises(ValueError, match="1 values"):
        mean_at_least([0.5])
