"""Export to ONNX: inference graph, gradient graph, int8 quantization and parity checks."""
