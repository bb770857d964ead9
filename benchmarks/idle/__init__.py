"""Idle benchmark: memory of `duet serve` without requests, and time to its first answer."""
