from __future__ import annotations

import numpy as np
import pytest

from core.comparison.pairwise import Pairwise, compare_predictions
from core.comparison.significance import significance
from core.repository.evaluation import EvaluatedData
from core.repository.predictions import SplitPredictions
from core.statistics.comparison import paired_difference

NAMES = ("ape", "bat", "cat", "dog", "elk", "fox")
EACH = 100


def pairwise(first_wrong: dict[str, int], second_wrong: dict[str, int]) -> Pairwise:
    """Comparison on 100 images per class; each side misclassifies the given numbers, never the same images."""
    labels_N = np.repeat(np.arange(len(NAMES)), EACH)
    first_N, second_N = labels_N.copy(), labels_N.copy()
    for name, count in first_wrong.items():
        start = NAMES.index(name) * EACH
        first_N[start : start + count] = (NAMES.index(name) + 1) % len(NAMES)
    for name, count in second_wrong.items():
        end = (NAMES.index(name) + 1) * EACH
        second_N[end - count : end] = (NAMES.index(name) + 1) % len(NAMES)
    data = EvaluatedData(name="zoo", split="test", digest="a" * 64, images=len(labels_N))
    sides = [
        SplitPredictions(np.arange(len(labels_N)), labels_N, {"fp32": np.eye(len(NAMES), dtype=np.float32)[answers_N]})
        for answers_N in (first_N, second_N)
    ]
    return compare_predictions(("mlp@1", "cnn@2"), (data, data), (NAMES, NAMES), (sides[0], sides[1]), resamples=20)


def test_significance_second_version_better() -> None:
    said = significance("mlp@1", "cnn@2", pairwise({"cat": 30, "dog": 30}, {}))
    assert (said.verdict, said.better) == ("second_better", "cnn@2")
    assert said.headline == "cnn@2 is more accurate than mlp@1"
    difference = paired_difference(60, 0, 600)  # cnn@2 less mlp@1
    assert said.sentence == (
        "cnn@2 is more accurate than mlp@1 on the same 600 test images of zoo: 100.00 % against 90.00 %, a difference "
        f"of 10.00 points (95 % interval {100 * difference.low:.2f} to {100 * difference.high:.2f}; McNemar's exact "
        "test: p < 0.0001). After Holm's correction cnn@2 recognizes 2 (cat, dog) of 6 classes better; 4 do not "
        "differ significantly."
    )
    assert (said.first_better_classes, said.second_better_classes) == ((), ("cat", "dog"))


def test_significance_first_version_better() -> None:
    forwards = significance("mlp@1", "cnn@2", pairwise({"cat": 30, "dog": 30}, {}))
    backwards = significance("cnn@2", "mlp@1", pairwise({}, {"cat": 30, "dog": 30}))
    assert (backwards.verdict, backwards.better) == ("first_better", "cnn@2")
    assert backwards.sentence == forwards.sentence
    assert backwards.first_better_classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("first_wrong", "second_wrong", "end"),
    [
        (
            {"ape": 40, "bat": 40},
            {"elk": 20},
            "b recognizes 2 (ape, bat) of 6 classes better and a 1 (elk); 3 do not differ significantly.",
        ),
        ({}, dict.fromkeys(NAMES, 20), "a recognizes each of the 6 classes better."),
        ({}, dict.fromkeys(NAMES[:5], 20), "a recognizes 5 of 6 classes better; 1 does not differ significantly."),
    ],
    ids=["each at some", "one at all", "many are counted"],
)
def test_significance_names_classes_that_differ(
    first_wrong: dict[str, int], second_wrong: dict[str, int], end: str
) -> None:
    said = significance("a", "b", pairwise(first_wrong, second_wrong))
    assert said.sentence.endswith(f"After Holm's correction {end}")


def test_small_difference_is_not_distinguishable() -> None:
    said = significance("a", "b", pairwise({"cat": 3}, {"dog": 2}))
    assert (said.verdict, said.better) == ("not_distinguishable", None)
    difference = paired_difference(2, 3, 600)
    assert difference.low < 0 < difference.high
    assert said.sentence == (
        "a and b do not differ significantly in accuracy on the same 600 test images of zoo: 99.50 % against 99.67 %, "
        f"a difference of -0.17 points (95 % interval {100 * difference.low:.2f} to {100 * difference.high:.2f}; "
        "McNemar's exact test: p = 1). After Holm's correction none of the 6 classes differs significantly."
    )


@pytest.mark.parametrize(("first_wrong", "second_wrong"), [({"cat": 30}, {"dog": 30}), ({"dog": 30}, {"cat": 30})])
def test_significance_classes_differ_at_equal_accuracy(
    first_wrong: dict[str, int], second_wrong: dict[str, int]
) -> None:
    said = significance("a", "b", pairwise(first_wrong, second_wrong))
    [first_better], [second_better] = second_wrong, first_wrong
    assert said.verdict == "not_distinguishable"
    assert "a difference of 0.00 points (95 % interval -" in said.sentence
    assert (
        f"a recognizes 1 ({first_better}) of 6 classes better and b 1 ({second_better}); 4 do not differ"
        in said.sentence
    )


def test_side_without_a_class_is_not_named_first() -> None:
    """The first version is more accurate overall, but only the second one is significantly better in a class."""
    ahead = dict.fromkeys(NAMES[1:], 3)
    said = significance("a", "b", pairwise({"ape": 10}, {**ahead, "bat": 5, "cat": 5, "dog": 5, "elk": 5, "fox": 5}))
    assert said.verdict == "first_better"
    assert said.sentence.endswith(
        "After Holm's correction b recognizes 1 (ape) of 6 classes better; 5 do not differ significantly."
    )


def test_constant_values_have_a_zero_width_interval() -> None:
    said = significance("cnn@2", "cnn@2", pairwise({}, {}))
    assert said.verdict == "not_distinguishable"
    assert said.headline == "cnn@2 and cnn@2 make the same predictions"
    assert said.sentence == (
        "cnn@2 and cnn@2 make the same prediction for each of the same 600 test images of zoo: 600 are correct. "
        "After Holm's correction none of the 6 classes differs significantly."
    )


@pytest.mark.parametrize(("p", "written"), [(0.0, "p < 0.0001"), (1e-5, "p < 0.0001"), (0.0123, "p = 0.0123")])
def test_p_value_is_formatted_to_meaningful_digits(p: float, written: str) -> None:
    compared = pairwise({"cat": 30}, {})
    paired = compared.paired.model_copy(update={"mcnemar_p": p})
    assert f"test: {written})" in significance("a", "b", compared.model_copy(update={"paired": paired})).sentence
