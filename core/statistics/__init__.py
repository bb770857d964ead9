"""Statistics of classifiers on plain arrays: intervals, paired comparison, calibration, sets, energy.

Nothing here imports scipy until a function needs it, and none needs `scipy.stats` or scikit-learn: every API
process loads this package and would pay for them in memory and in its start.

Shape suffixes: N images, K classes, B bootstrap resamples. Probabilities and rates are on [0, 1].
"""
