"""Statistics of classifiers on plain arrays: intervals, paired comparison, calibration, sets, energy.

scipy is imported inside the functions that need it, and `scipy.stats` and scikit-learn are never used: every API
process loads this package, and these imports cost memory and start time.

Shape suffixes: N images, K classes, B bootstrap resamples. Probabilities and rates are on [0, 1].
"""
