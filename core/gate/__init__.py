"""Promotion gate: decides from holdout predictions and costs whether a version may replace its family's champion.

read -> measure -> decide -> promote. `decide` is pure arithmetic; the API, the command line and the worker call
`promotion`.
"""
