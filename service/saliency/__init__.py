"""Attribution methods that explain predictions, run in batches on the served ONNX graphs."""
