"""Keys of the labelling page, run by node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import needs_node, run_script

pytestmark = needs_node
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck", "van"]


def meaning(key: str, classes: list[str] = CLASSES) -> Any:
    function = "({ key, classes }) => module.meaningOf(key, classes)"
    return run_script("label/keys.js", function, {"key": key, "classes": classes})


def test_digits_belong_to_the_first_ten_classes() -> None:
    keys = run_script("label/keys.js", "(count) => Array.from({ length: count }, (_, at) => module.keyOf(at))", 12)
    assert keys == [*"1234567890", None, None]


@pytest.mark.parametrize(("key", "label"), [("1", "airplane"), ("9", "ship"), ("0", "truck")])
def test_digit_is_a_label(key: str, label: str) -> None:
    assert meaning(key) == {"action": "label", "label": label}


@pytest.mark.parametrize(
    ("key", "action"), [("n", "none"), ("N", "none"), ("s", "skip"), ("S", "skip"), ("u", "undo"), ("U", "undo")]
)
def test_letter_is_an_action(key: str, action: str) -> None:
    assert meaning(key) == {"action": action}


@pytest.mark.parametrize("key", ["x", "Enter", "", " ", "10", "F1", "constructor"])
def test_other_keys_mean_nothing(key: str) -> None:
    assert meaning(key) is None


def test_digit_beyond_the_classes_means_nothing() -> None:
    assert meaning("3", ["cat", "dog"]) is None
    assert meaning("0", ["cat", "dog"]) is None
