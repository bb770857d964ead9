"""Open Inference Protocol v2: messages, JSON and binary tensors, and errors, without routes.

Sources: https://github.com/kserve/open-inference-protocol (inference_rest.md) and, for binary tensors, raw requests
and classification, Triton's extensions: https://github.com/triton-inference-server/server/tree/main/docs/protocol.
"""
