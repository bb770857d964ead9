"""Fair shares: the latency of one caller beside another that sends ten times the capacity of the service."""
