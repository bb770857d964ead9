"""Offline training: load -> fit -> export -> calibrate -> evaluate -> publish. The only package that imports torch."""
