"""Settings of all tests."""

from hypothesis import settings

# By default, hypothesis fails an example that takes more than 200 ms, which a busy machine can cause.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
