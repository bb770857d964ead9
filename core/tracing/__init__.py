"""Traces of requests and jobs: `spans` records OpenTelemetry spans, `tracer` samples them, and `export` sends them."""
