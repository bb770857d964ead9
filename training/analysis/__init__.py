"""Analyses of data sets and published versions, and the report made of them."""
