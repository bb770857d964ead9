"""Inference engine: loaded models, queues, batcher, decoder and postprocessing; errors are its only link to HTTP."""
