"""Webhooks: signed messages to other services when a job ends, an alarm is raised or a champion changes."""
