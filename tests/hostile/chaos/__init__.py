"""Chaos test: random kills, full disks and clock steps during short trainings; `python -m tests.hostile.chaos`."""
