"""Cost benchmark: CPU time and memory of the dearest requests that need no key."""
