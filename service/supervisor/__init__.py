"""Supervision of the processes beside the API: broker, worker, and creation of the training environment."""
