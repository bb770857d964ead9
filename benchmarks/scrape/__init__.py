"""Scrape benchmark: time of GET /metrics with many jobs, and of measuring a large data set."""
