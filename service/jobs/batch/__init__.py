"""Batch prediction jobs: all images of a data set, in the environment of the service."""
