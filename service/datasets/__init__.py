"""Labelled images that come over HTTP: spooled to disk, taken apart, checked, and put in place at once."""
