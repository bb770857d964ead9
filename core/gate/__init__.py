"""The promotion gate: may a version replace its family's champion, on the evidence of the holdout?

read -> measure -> judge -> promote. `judge` is arithmetic on what was read and measured; `promotion` is what the API,
the command line and the worker call.
"""
