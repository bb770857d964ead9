"""Export to ONNX: graphs, parity checks, quantization and gradient graphs."""
