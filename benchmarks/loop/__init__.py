"""Simulations of live statistics: shadow trials, coverage alarms, weighted labels and drift."""
