"""Crash-safe background jobs: records and events in Redis, fenced claims, and messages that wake workers."""
