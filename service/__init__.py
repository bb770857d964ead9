"""The online half: an HTTP API over published model versions. No torch here, and nothing of `training`."""
