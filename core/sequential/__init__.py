"""Anytime-valid statistics of live traffic: tests and intervals that keep their error rates however often one looks."""
