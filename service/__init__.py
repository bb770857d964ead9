"""Online service: an HTTP API over published model versions. It imports neither torch nor `training`."""
