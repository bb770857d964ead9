"""Inference engine: loaded models, queues, batcher, decoder and postprocessing; independent of HTTP except for errors."""
