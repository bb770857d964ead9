"""What the offline and the online half agree on: model versions, recipes, images and statistics.

Nothing in this package imports torch or a web framework; import-linter holds that in CI.
"""
