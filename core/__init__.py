"""Code shared by training and service: model versions, recipes, images, statistics and API schemas.

Nothing in this package imports torch or a web framework; import-linter checks that in CI.
"""
