"""Analyses of data sets and published versions, and the report on two versions."""
