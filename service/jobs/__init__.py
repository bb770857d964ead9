"""Jobs that survive: records and events in Redis, fenced claims, and the messages that wake a worker."""
