"""Child process of a job: runs one training or evaluation, reports events to its worker, and never outlives it."""
