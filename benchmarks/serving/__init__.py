"""The serving benchmark: `python -m benchmarks.serving`; README.md says how to run and read it.

The service is measured on one core against onnxruntime's own speed on that core, and beside two other servers of the
same model file. Nothing here is part of the project's wheel.
"""
