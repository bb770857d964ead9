"""Objects that the cycle collector ignores, so that its calls in a test are fast."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_objects() -> Iterator[None]:
    """Hide the objects of other modules from the cycle collector, which takes a second to look at all of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
