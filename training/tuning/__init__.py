"""Hyperparameter search for recipes with Optuna, evaluated on validation images and stored in a journal."""
