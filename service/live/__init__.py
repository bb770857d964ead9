"""Live figures of captured traffic: shares, accuracy, coverage, drift and alarms."""
