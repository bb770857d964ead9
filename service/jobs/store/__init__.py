"""Job store: jobs, events, queues and heartbeats in Redis."""
