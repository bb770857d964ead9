"""The Open Inference Protocol v2 as data: its messages, JSON and binary tensors, and errors. Knows nothing of routes.

Sources: https://github.com/kserve/open-inference-protocol (inference_rest.md) and, for binary tensors, raw requests
and classification, Triton's extensions: https://github.com/triton-inference-server/server/tree/main/docs/protocol.
"""
