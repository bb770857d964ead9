"""Data set uploads: spooled to disk, parsed, validated and installed atomically."""
