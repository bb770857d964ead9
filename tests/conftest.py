"""Settings of all tests."""

import pytest
from hypothesis import settings

# By default, hypothesis fails an example that takes more than 200 ms, which a busy machine can cause.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests, so that no process still has minutes to run when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
