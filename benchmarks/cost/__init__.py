"""Cost benchmark: CPU time and memory of the most expensive requests that need no key."""
