"""Serving benchmark: Duet on one core against onnxruntime alone, a naive FastAPI server and Mosec."""
